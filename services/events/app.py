"""The composition root of the events service."""

from starlette.applications import Starlette

from services.events import messages, pages, store
from services.events.links import PublicLinks
from services.events.settings import Settings
from shared.service import Service
from shared.settings import load
from shared.web.links import Signer


def create(settings: Settings | None = None) -> Starlette:
    """The service as an ASGI application; settings come from the environment where none are given."""
    settings = settings or load(Settings)
    links = PublicLinks(settings.public_url, Signer(settings.link_keys.get_secret_value()))
    service = Service(
        "events",
        settings,
        commands=messages.COMMANDS,
        consumes=messages.CONSUMES,
        publishes=messages.PUBLISHES,
        repositories=store.REPOSITORIES,
        context=links,
    )
    return service.asgi(pages.routes(service.executor, links))
