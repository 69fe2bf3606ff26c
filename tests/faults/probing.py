"""Sends commands to the probe service without pause, whatever happens to the broker, and settles the account after."""

import asyncio
import math
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from shared.contracts.base import Envelope
from shared.messaging.publisher import Outgoing, Publisher, Unconfirmed
from shared.service import Service
from shared.store.port import PENDING
from shared.store.work import INBOX
from tests.messaging.probe import COUNTERS, SEEN, Add, add
from tests.support.running import until

QUEUES = ("probe.commands", "probe.from.probe", "probe.retry.50", "probe.retry.100")
QUIET_SECONDS = 90.0
PAGE = "/page:"


@dataclass
class Load:
    """Commands of many publishers, each on a connection of its own and with a counter of its own.

    A command that the broker did not confirm is sent again with the same id, until it is.
    """

    url: str
    publishers: int
    count: int
    pause: float = 0.0
    """Seconds between the messages of one publisher, so that faults come while they flow."""
    allowed: float = math.inf
    """How many may be sent until the test allows more."""
    begun: int = 0
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    sent: dict[str, str] = field(default_factory=dict)
    """Id of each confirmed command -> its counter."""
    repeated: int = 0

    async def send(self) -> None:
        """Send all of them; returns when the last one is confirmed."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.publishers):
                group.create_task(self._publish(number))

    async def reached(self, count: int) -> None:
        """Wait until so many are confirmed."""

        async def confirmed() -> int:
            return len(self.sent)

        await until(confirmed, lambda n: n >= count, patience=QUIET_SECONDS)

    async def _publish(self, number: int) -> None:
        async with AsyncExitStack() as stack:
            publisher = Publisher(self.url, f"load-{number}")
            stack.push_async_callback(publisher.close)
            counter = f"{self.run}-c{number}"
            for n in range(number, self.count, self.publishers):
                key = f"{self.run}-{n}"
                while self.begun >= self.allowed:
                    await asyncio.sleep(0.02)
                self.begun += 1
                await self._until_confirmed(publisher, command(key, counter))
                self.sent[key] = counter
                await asyncio.sleep(self.pause)

    async def _until_confirmed(self, publisher: Publisher, message: Outgoing) -> None:
        while True:
            try:
                return await publisher.publish(message)
            except Unconfirmed:
                self.repeated += 1
                await asyncio.sleep(0.1)


@dataclass
class Pages:
    """Commands that come from within the process, as from a page, without pause until told to stop."""

    service: Service
    counters: int = 10
    pause: float = 0.01
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    sent: dict[str, str] = field(default_factory=dict)
    slowest: float = 0.0
    """Seconds that the slowest command took."""
    ended: bool = False

    async def send(self) -> None:
        """Until `ended`; raises if one is not accepted."""
        while not self.ended:
            key = f"{self.run}-{len(self.sent)}"
            counter = f"{self.run}-c{len(self.sent) % self.counters}"
            began = time.monotonic()
            reply = await self.service.executor.execute(
                Add(counter=counter), add, id=key, source=PAGE.removesuffix(":")
            )
            assert reply.ok, reply
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.sent[key] = counter
            await asyncio.sleep(self.pause)

    async def more(self, count: int) -> None:
        """Wait until so many more were accepted."""
        wanted = len(self.sent) + count

        async def accepted() -> int:
            return len(self.sent)

        await until(accepted, lambda n: n >= wanted)


@asynccontextmanager
async def paging(service: Service, counters: int = 10) -> AsyncIterator[Pages]:
    """Sends pages as long as the block lasts."""
    pages = Pages(service, counters)
    sending = asyncio.create_task(pages.send())
    try:
        yield pages
    finally:
        pages.ended = True
        await sending


async def ready(service: Service, patience: float) -> float:
    """Seconds until the service is ready."""
    began = time.monotonic()

    async def reasons() -> list[str]:
        return service.reasons()

    await until(reasons, lambda found: not found, patience=patience)
    return time.monotonic() - began


def command(id: str, counter: str) -> Outgoing:
    """Add 1 to the counter, as an integrator sends it who does not wait for the reply."""
    body = Envelope(id=id, source="/integrator", type=Add.type(), data={"counter": counter}).to_json()
    return Outgoing("probe.commands", Add.routing_key(), body, id)


@dataclass(frozen=True)
class Account:
    """What became of the messages. Every fault case promises zeros."""

    lost: int
    duplicated: int
    stuck: int

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


NOTHING = Account(lost=0, duplicated=0, stuck=0)


async def settled(service: Service, operator: Publisher, sent: dict[str, str], way: str = "probe.commands:") -> Account:
    """The account, as soon as everything is quiet; after QUIET_SECONDS as it stands. `way`: how the commands came in.

    lost: commands without an effect, effects whose event never reached its consumer, and totals that the consumer does
    not know. duplicated: effects beyond one for each id. stuck: documents that owe, messages in queues, dead letters.
    """
    with suppress(AssertionError):  # then the account says what is missing
        await until(lambda: _open(service, operator, sent), lambda left: left == 0, patience=QUIET_SECONDS)
    handled = {d["_id"] async for d in service.store.everything(INBOX)}
    heard = [key for key in handled if key.startswith("probe.from.probe:")]
    totals = {d["_id"]: int(d["total"]) async for d in service.store.everything(COUNTERS.collection)}
    seen = {d["_id"]: int(d["total"]) async for d in service.store.everything(SEEN.collection)}
    without_effect = sum(f"{way}{key}" not in handled for key in sent)
    wanted = Counter(sent.values())
    return Account(
        lost=without_effect
        + max(0, sum(totals.values()) - len(heard))
        + sum(seen.get(c) != t for c, t in totals.items()),
        duplicated=sum(max(0, total - wanted[counter]) for counter, total in totals.items()),
        stuck=await _stuck(service, operator),
    )


async def _open(service: Service, operator: Publisher, sent: dict[str, str]) -> int:
    """How much is still to come: of inbox entries (each command, and the event of each), documents and queues."""
    missing = max(0, 2 * len(sent) - await service.store.count(INBOX, {}))
    return missing or await _stuck(service, operator)


async def _stuck(service: Service, operator: Publisher) -> int:
    return len(await owing(service)) + sum((await depths(operator, [*QUEUES, "probe.dead", "probe.unrouted"])).values())


async def owing(service: Service) -> list[str]:
    """Ids of the counters that have events to send."""
    return [d["_id"] async for d in service.store.everything(COUNTERS.collection) if PENDING in d]


async def depths(operator: Publisher, queues: Sequence[str]) -> dict[str, int]:
    """Queue -> messages that wait in it."""
    found: dict[str, Any] = {}
    channel = await (await operator.connection()).channel()
    for name in queues:
        declared = await channel.declare_queue(name, passive=True)
        found[name] = declared.declaration_result.message_count or 0
    await channel.close()
    return found
