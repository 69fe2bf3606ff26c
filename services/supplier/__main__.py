from services.supplier.app import create
from shared.upkeep import main

main(create)
