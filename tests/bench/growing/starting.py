"""From opening the store until the service is ready, with nothing and with a million entries in the inbox."""

import asyncio
from datetime import UTC, datetime

from services.events.app import create
from services.events.settings import Settings
from services.events.store import REPOSITORIES
from shared.service import Service
from shared.store.work import INBOX
from tests.bench.bench import Bench
from tests.bench.filling import entry, fill, made, multiply_inbox
from tests.bench.growing import grown
from tests.bench.measuring import Cost, Figure, Side, Stopwatch
from tests.notifications.rig import KEYS

ENTRIES = 1_000_000
TEMPLATE = 10_000


def start(store_url: str, amqp_url: str) -> Side:
    """The events service in this process, started and stopped."""

    async def started() -> Cost:
        settings = Settings.model_validate(
            {"amqp_url": amqp_url, "store_url": store_url, "link_keys": KEYS, "log_level": "warning"}
        )
        app = create(settings)
        service: Service = app.state.service
        with Stopwatch() as watch:
            life = app.router.lifespan_context(app)
            await life.__aenter__()
            while service.reasons():
                await asyncio.sleep(0.002)
        await life.__aexit__(None, None, None)
        return watch.cost(1)

    return started


async def measure(bench: Bench) -> list[Figure]:
    """The same broker for both."""
    sides = {}
    now = datetime.now(UTC)
    for size in (1, bench.count(ENTRIES)):
        url = bench.new_store()
        await made(url, REPOSITORIES)
        template = min(size, TEMPLATE)
        await fill(url, INBOX, (entry("events.commands", number, now) for number in range(template)))
        await multiply_inbox(url, size // template)
        sides[size] = start(url, bench.broker.url("events"))
    return await grown("start, inbox entries", sides, bench)
