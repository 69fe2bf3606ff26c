"""The composition root of the notifications service."""

from starlette.applications import Starlette

from services.notifications import messages, pages, store
from services.notifications.bouncing.job import read_bounces
from services.notifications.campaigns import run_campaigns
from services.notifications.context import Context
from services.notifications.forgetting import forget_personal_data
from services.notifications.links import MailLinks
from services.notifications.restored import settle_mails
from services.notifications.sending.job import send_mails, watch_waiting
from services.notifications.settings import Settings
from shared.service import Service
from shared.settings import load
from shared.web.links import Signer
from shared.web.rates import Buckets


def create(settings: Settings | None = None) -> Starlette:
    """The service as an ASGI application; settings come from the environment where none are given."""
    settings = settings or load(Settings)
    context = Context(
        links=MailLinks(settings.public_url, Signer(settings.link_keys.get_secret_value())),
        mail_domain=settings.sender.domain,
        address_key=settings.address_key.get_secret_value().encode(),
    )
    service = Service(
        "notifications",
        settings,
        commands=messages.COMMANDS,
        consumes=messages.CONSUMES,
        publishes=messages.PUBLISHES,
        repositories=store.REPOSITORIES,
        jobs=(send_mails, watch_waiting, read_bounces, run_campaigns, forget_personal_data),
        restored=(settle_mails,),
        context=context,
    )
    asks = Buckets(settings.subscribe_rate, settings.subscribe_burst)
    return service.asgi(pages.routes(service.executor, context, settings.trusted_proxies, asks=asks))
