"""The composition root of the procurement service."""

from starlette.applications import Starlette

from services.procurement import messages, store
from services.procurement.settings import Settings
from shared.service import Service
from shared.settings import load


def create(settings: Settings | None = None) -> Starlette:
    """The service as an ASGI application; settings come from the environment where none are given."""
    service = Service(
        "procurement",
        settings or load(Settings),
        commands=messages.COMMANDS,
        consumes=messages.CONSUMES,
        publishes=messages.PUBLISHES,
        repositories=store.REPOSITORIES,
    )
    return service.asgi()
