from services.procurement.app import create
from shared.upkeep import main

main(create)
