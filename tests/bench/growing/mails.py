"""Per mail of a campaign: written when its audience is frozen, sent, counted when all is over. The sum of these three
is what a mail costs; each is told too.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import batched

from pydantic import SecretStr

from deploy.local.home import ROOT
from services.notifications.campaigns import PAGE, Campaigns
from services.notifications.domain import Campaign, Subscriber, ordered_campaign
from services.notifications.sending.job import Surroundings, dispatcher
from services.notifications.store import CAMPAIGNS, DELIVERIES, REPOSITORIES, SUBSCRIBERS
from shared.contracts.base import derived_id
from shared.contracts.notifications import SendCampaign
from shared.observability import logs
from shared.store.connect import connect
from shared.store.port import Collection, Document, Put, Store, Trim
from shared.store.work import OWN_COLLECTIONS, Pending
from tests.bench.bench import Bench
from tests.bench.filling import fill, made, stored
from tests.bench.growing import against_smallest, taken, together
from tests.bench.measuring import Cost, Figure, Stopwatch
from tests.notifications.rig import context, settings

SIZES = (1_000, 10_000, 100_000)
SENT, FROZEN_PAGES = 100, 2
SPARE = 300
"""Readers beyond those that are counted: what a dispatcher has begun when a round ends is nobody's to send again, and a
store that runs dry would be waited for without end.
"""
CAMPAIGN = "campaign"


def campaign(id: str, now: datetime, **changes: object) -> Campaign:
    """One to the readers of the newsletter."""
    command = SendCampaign(topic="newsletter", subject="Nyt fra Rummelig", body="# Hej\n\nVi ses.")
    return ordered_campaign(id, command, now, id).model_copy(update={"news": (), **changes})


def readers(size: int) -> list[Subscriber]:
    """So many who confirmed the newsletter, by id; ids are as unordered as those of addresses."""
    ids = sorted(derived_id("reader", number) for number in range(size))
    return [
        Subscriber(id=each, version=1, email=f"{each}@reader.example", language="da", topics=("newsletter",))
        for each in ids
    ]


async def filled(url: str, people: Sequence[Subscriber]) -> None:
    """A campaign that is being sent, with a mail for each, written page by page."""
    await made(url, REPOSITORIES)
    began = datetime.now(UTC) - timedelta(hours=1)
    running = campaign(CAMPAIGN, began, state="sending", total=len(people))
    await fill(url, SUBSCRIBERS.collection, (stored(SUBSCRIBERS, reader) for reader in people))
    await fill(url, CAMPAIGNS.collection, [stored(CAMPAIGNS, running)])
    await fill(url, DELIVERIES.collection, _mails(running, people, began))


def _mails(of: Campaign, people: Sequence[Subscriber], began: datetime) -> Iterator[Document]:
    for number, page in enumerate(batched(people, PAGE, strict=False)):
        at = began + timedelta(milliseconds=100 * number)
        yield from (stored(DELIVERIES, of.delivery_to(reader, "rummelig.example", at)) for reader in page)


@dataclass
class Sending:
    """The jobs of the service over one store; what they owe is taken out of the documents as the relay does."""

    store: Store
    people: Sequence[Subscriber]
    smtp_port: int
    owed: list[Pending] = field(default_factory=list)
    freezes: int = 0

    async def send(self, count: int) -> Cost:
        """So many further mails through the dispatcher to a mail server."""
        left, enough = count, asyncio.Event()

        def told(*_: object) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                enough.set()

        chosen = settings(
            smtp_connections=8, mail_lease_seconds=20, smtp_url=SecretStr(f"smtp://127.0.0.1:{self.smtp_port}")
        )
        around = Surroundings(self.store, context(chosen), _now, self.owed.extend, told, _ignore)
        with Stopwatch() as watch:
            job = asyncio.create_task(dispatcher(chosen, around).run())
            await enough.wait()
            job.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await job
            await self._relayed()
        return watch.cost(count - left)

    async def freeze(self) -> Cost:
        """The last pages of the audience of a new campaign."""
        self.freezes += 1
        behind = self.people[-FROZEN_PAGES * PAGE - 1].id if len(self.people) > FROZEN_PAGES * PAGE else None
        new = campaign(f"frozen-{self.freezes}", _now(), cursor=behind)
        await self.store.put(CAMPAIGNS.collection, [Put(new.id, CAMPAIGNS.to_fields(new, 1))])
        job = Campaigns(self.store, context(settings()), _now, self.owed.extend)
        with Stopwatch() as watch:
            for _ in range(FROZEN_PAGES):
                if page := await job._audience(new):
                    new = await job._write(new.reached(page, _now() + timedelta(seconds=20)))
        await job._write(new.finished({}, _now())[0])
        return watch.cost(min(FROZEN_PAGES * PAGE, len(self.people)))

    async def count(self, times: int) -> Cost:
        """What is looked at when the audience is complete, and when the last mail is out."""
        where = {"campaign_id": CAMPAIGN}
        with Stopwatch() as watch:
            for _ in range(times):
                await self.store.count(DELIVERIES.collection, where)
                await self.store.tally(DELIVERIES.collection, "state", where)
        return watch.cost(times * len(self.people))

    async def _relayed(self) -> None:
        for some in batched(self.owed, 200, strict=False):
            trims = [Trim(item.id, {"outbox": [e["id"] for e in item.outbox]}) for item in some]
            await self.store.trim(Collection(DELIVERIES.name), trims)
        self.owed.clear()


def _now() -> datetime:
    return datetime.now(UTC)


def _ignore(_: object) -> None:
    """The mail server is not away."""


@asynccontextmanager
async def _mail_server() -> AsyncIterator[int]:
    command = (sys.executable, "-m", "tests.bench.growing.mailserver")
    server = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        assert server.stdout is not None
        yield int(await server.stdout.readline())
    finally:
        server.kill()
        await server.wait()


async def measure(bench: Bench) -> list[Figure]:
    """Each size in a store of its own."""
    logs.configure(settings(log_level="warning"))
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(_mail_server())
        jobs: dict[int, Sending] = {}
        sent = bench.count(SENT)
        for size in SIZES:
            url, people = bench.new_store(), readers(max(bench.count(size), sent * (bench.rounds + 1) + SPARE))
            await filled(url, people)
            store = connect(url)
            await store.open([*OWN_COLLECTIONS, *(r.collection for r in REPOSITORIES)])
            stack.push_async_callback(store.close)
            jobs[size] = Sending(store, people, port)
        parts = {
            "frozen": await taken("frozen", {n: job.freeze for n, job in jobs.items()}, bench),
            "sent": await taken("sent", {n: partial(job.send, sent) for n, job in jobs.items()}, bench),
            "counted": await taken(
                "counted", {n: partial(job.count, max(1, 10_000 // n)) for n, job in jobs.items()}, bench
            ),
        }
    whole = against_smallest("mail", together(*parts.values()))
    return [*whole, *(f for name, part in parts.items() for f in against_smallest(f"… {name}", part, None))]
