from services.notifications.app import create
from shared.upkeep import main

main(create)
