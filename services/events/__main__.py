import shared.prelude  # noqa: F401 - first: what follows costs less by it
from services.events.app import create
from shared.upkeep import main

main(create)
