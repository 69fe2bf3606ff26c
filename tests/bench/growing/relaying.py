"""Per event that the relay publishes, where so many wait in the store, as after a broker that was away for long."""

import itertools
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.supplier import messages
from services.supplier.store import REPOSITORIES, SUPPLIERS
from shared.contracts.base import Envelope, derived_id
from shared.messaging.declaring import bind_log
from shared.messaging.kept import KeptChannel
from shared.messaging.relay import WAITING, Relay
from shared.service import Service
from shared.settings import ServiceSettings
from shared.store.port import PENDING, Document
from tests.bench.bench import Bench
from tests.bench.filling import entry, fill, made
from tests.bench.growing import grown
from tests.bench.measuring import Cost, Figure, Stopwatch
from tests.procurement.builders import CATERING, supplier

SIZES = (1_000, 100_000)
RELAYED = 1_000
SINCE = datetime.now(UTC) - timedelta(hours=1)


def waiting(numbers: Iterator[int], count: int) -> Iterator[Document]:
    """Suppliers with the event that each still owes, and the mark of the command that each came from."""
    for number in itertools.islice(numbers, count):
        key = derived_id("supplier", number)
        event = supplier(key, CATERING)
        at = SINCE + timedelta(milliseconds=number)
        envelope = Envelope(
            id=derived_id(key, 1),
            source="/supplier",
            type=event.type(),
            subject=key,
            time=at,
            data=event.model_dump(mode="json"),
            aggregateversion=1,
            correlationid=key,
            causationid=key,
        )
        mark = entry("supplier.commands", number, at)
        yield {
            "_id": key,
            "version": 1,
            **event.model_dump(mode="json"),
            PENDING: at,
            "outbox": [envelope.model_dump(mode="json", exclude_none=True)],
            "applied": [{name: mark[name] for name in ("id", "reply", "digest", "at")}],
            "beside": [],
        }


@dataclass
class Backlog:
    """A store where so many wait, and the relay over it. What was relayed is followed by as many new ones."""

    service: Service
    size: int
    numbers: Iterator[int]
    relay: Relay | None = None

    async def drain(self) -> Cost:
        """Relay some as `Relay.run` does, sweeping whenever it would."""
        count = min(RELAYED, self.size)
        if self.relay is None or self.size == count:  # it took all: begin as at a start
            of = self.service
            self.relay = Relay(of.store, of.publisher, of.name, of.collections, of.metrics)
        before = self._relayed()
        with Stopwatch() as watch:
            while self._relayed() < before + count:
                if len(self.relay._waiting) <= WAITING // 2:
                    await self.relay._trimmed()
                    await self.relay._sweep()
                await self.relay._step()
        cost = watch.cost(int(self._relayed() - before))
        await self.service.store.insert_many(SUPPLIERS.collection, list(waiting(self.numbers, cost.operations)))
        return cost

    def _relayed(self) -> float:
        return float(self.service.metrics._relayed._value.get())


async def measure(bench: Bench) -> list[Figure]:
    """Each size in a store of its own, all over the real broker."""
    async with AsyncExitStack() as stack:
        backlogs: dict[int, Backlog] = {}
        for size in SIZES:
            url, numbers = bench.new_store(), itertools.count()
            await made(url, REPOSITORIES)
            await fill(url, SUPPLIERS.collection, waiting(numbers, bench.count(size)))
            service = _service(url, bench.broker.url("supplier"))
            stack.push_async_callback(service.store.close)
            stack.push_async_callback(service.publisher.close)
            await service.open_store()
            await service._prepare()
            await bind_log(KeptChannel(service.publisher.connection), service.topology)
            backlogs[size] = Backlog(service, bench.count(size), numbers)
        return await grown("event relayed", {n: backlog.drain for n, backlog in backlogs.items()}, bench, often=2)


def _service(store_url: str, amqp_url: str) -> Service:
    settings = ServiceSettings.model_validate({"amqp_url": amqp_url, "store_url": store_url, "log_level": "warning"})
    return Service(
        "supplier",
        settings,
        commands=messages.COMMANDS,
        consumes=messages.CONSUMES,
        publishes=messages.PUBLISHES,
        repositories=REPOSITORIES,
    )
