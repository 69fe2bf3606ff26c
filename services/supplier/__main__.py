import shared.prelude  # noqa: F401 - first: what follows costs less by it
from services.supplier.app import create
from shared.upkeep import main

main(create)
