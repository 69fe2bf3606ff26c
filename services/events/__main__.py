from services.events.app import create
from shared.upkeep import main

main(create)
