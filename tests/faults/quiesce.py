"""When a system is quiet, and what it looks like then.

Quiet means all of these in one look, and in the next one a second later: every process is ready; no document owes an
event, a handled id or a document beside it; no mail is queued or being sent; every campaign is finished; no queue of a
service holds a message, in hand or not, the tiers of retries included; and no event has come in between. The
dead letters stay: they are judged, not waited for.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from deploy.local.system import System
from shared.messaging.deadletters import DeadLetters
from shared.messaging.publisher import Publisher
from shared.messaging.topology import EVENTS_LOG
from shared.store.connect import connect
from shared.store.port import PENDING, Between, Collection, In, Store
from shared.store.work import INBOX
from tests.faults.hearing import QUEUE
from tests.faults.ledger import Ledger
from tests.faults.rules.leftovers import OPEN
from tests.support.broker import control
from tests.support.embedded import SERVICES

LOOK_SECONDS = 1.0

type Open = Mapping[str, tuple[Store, list[Collection]]]
"""Service -> its store and its collections."""


@asynccontextmanager
async def opened(urls: Mapping[str, str]) -> AsyncIterator[Open]:
    """The stores of all services, beside the services."""
    found: dict[str, tuple[Store, list[Collection]]] = {}
    try:
        for service, url in urls.items():
            repositories = importlib.import_module(f"services.{service}.store").REPOSITORIES
            collections = [INBOX, *(repository.collection for repository in repositories)]
            store = connect(url)
            await store.open(collections)
            found[service] = (store, collections)
        yield found
    finally:
        for store, _ in found.values():
            await store.close()


async def quiesce(system: System, ledger: Ledger, patience: float) -> float:
    """Wait until the system is quiet, at most so many seconds, then fill the ledger; how long it took.

    What had not come to rest by then stands in `ledger.unsettled`.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    async with opened(system.endpoints()["store"]) as stores:
        events, before = -1, ["nothing was looked at yet"]
        while True:
            seen = len(ledger.events)
            left = await _left(system, stores)
            if not left and not before and events == seen:
                break
            if clock() - began > patience:
                ledger.unsettled = left or before or ["events still come in"]
                break
            events, before = seen, left
            await asyncio.sleep(LOOK_SECONDS)
        took = clock() - began
        ledger.stores = {
            service: {c.name: [d async for d in store.everything(c)] for c in collections}
            for service, (store, collections) in stores.items()
        }
    ledger.queues = await _queues(system)
    ledger.dead = await dead_letters(system.amqp_url("operator"))
    return took


async def _left(system: System, stores: Open) -> list[str]:
    """Why it is not quiet; the costly look at the queues comes last."""
    left = [f"{n}: {'; '.join(p['reasons'])}" for n, p in system.processes().items() if not p["ready"]]
    left += [f"{service} has something to tell" for service, opened in stores.items() if await _owes(*opened)]
    notifications, _ = stores["notifications"]
    waiting = {"lane": In(("transactional", "campaign")), "state": In(OPEN)}
    if await notifications.find(Collection("deliveries"), waiting, limit=1):
        left.append("notifications: mails are on their way")
    if await notifications.find(Collection("campaigns"), {"state": In(("preparing", "sending"))}, limit=1):
        left.append("notifications: campaigns are on their way")
    if not left:
        left = [f"queue {name} holds {count}" for name, count in (await _queues(system)).items() if count]
    return left


async def _owes(store: Store, collections: list[Collection]) -> bool:
    where = {PENDING: Between(at_most=datetime.now(UTC) + timedelta(days=1))}
    return any([bool(await store.find(each, where, order=PENDING, limit=1)) for each in collections])


async def _queues(system: System) -> dict[str, int]:
    """Messages in each queue of the services, in hand or not; dead letters and the log are looked at apart."""
    try:
        listed = await asyncio.to_thread(control, system.home, "list_queues", "--no-table-headers", "name", "messages")
    except AssertionError as error:
        return {f"rabbitmqctl: {error!s:.100}": 1}
    rows = [line.split("\t") for line in listed.splitlines() if "\t" in line]
    return {
        name: int(count)
        for name, count in rows
        if (name == QUEUE or name.split(".")[0] in SERVICES) and name != EVENTS_LOG and not name.endswith(".dead")
    }


async def dead_letters(url: str) -> list[tuple[str, str, str]]:
    """Id, service, and reason of each dead letter."""
    operator = Publisher(url, "ledger")
    try:
        found = {service: await DeadLetters(operator, service).all() for service in SERVICES}
    finally:
        await operator.close()
    named = [(name, letter) for name, letters in found.items() for letter in letters]
    return [(letter.id, name, f"{letter.reason}: {letter.detail}") for name, letter in named]
