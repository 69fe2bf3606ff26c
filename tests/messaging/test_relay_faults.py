"""What the relay cannot send must not keep what it can."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aio_pika

from shared.contracts.base import Envelope
from shared.messaging import relay
from shared.messaging.publisher import Outgoing, Publisher
from shared.observability.metrics import Metrics
from shared.store.connect import connect
from shared.store.port import PENDING, Store
from shared.store.work import OWN_COLLECTIONS, Pending
from tests.messaging.probe import COUNTERS, SEEN, Add, Added
from tests.support.running import until

LONG_AGO = datetime.now(UTC) - timedelta(minutes=5)
UNREADABLE: dict[str, Any] = {"outbox": [{"id": "unreadable", "of": "an older time"}]}


def event(counter: str, total: int = 1) -> dict[str, Any]:
    told = Added(counter=counter, total=total)
    envelope = Envelope(
        id=f"event-{counter}", source="/probe", type=told.type(), subject=counter, data=told.model_dump()
    )
    return envelope.model_dump(mode="json", exclude_none=True)


async def left(store: Store, counter: str, seconds: int = 0, **lists: Any) -> None:
    """A document as a crash left it."""
    owed = {PENDING: LONG_AGO + timedelta(seconds=seconds), "outbox": [], "applied": [], "beside": []}
    await store.insert(COUNTERS.collection, {"_id": counter, "version": 1, "total": 1, **owed, **lists})


@asynccontextmanager
async def before(folder: Any) -> AsyncIterator[Store]:
    """The service's store while no service runs."""
    store = connect(f"sqlite:///{folder / 'probe'}.db")
    await store.open([*OWN_COLLECTIONS, COUNTERS.collection, SEEN.collection])
    yield store
    await store.close()


async def seen(service: Any, counter: str, patience: float = 20.0) -> None:
    await until(lambda: service.store.get(SEEN.collection, counter), patience=patience)


async def test_an_event_that_cannot_be_read_keeps_no_others(start, tmp_path):
    async with before(tmp_path) as store:
        await left(store, "broken", **UNREADABLE)
        await left(store, "sound", 1, outbox=[event("sound")])
    async with start() as service:
        await seen(service, "sound")
        assert (await service.store.get(COUNTERS.collection, "broken"))["outbox"]


async def test_a_document_beside_that_cannot_be_written_keeps_no_others(start, tmp_path):
    gone = {"id": "b1", "collection": "renamed_since", "_id": "x", "fields": {"version": 1}}
    async with before(tmp_path) as store:
        await left(store, "broken", beside=[gone], outbox=[event("broken")])
        await left(store, "sound", 1, outbox=[event("sound")])
    async with start() as service:
        await seen(service, "sound")
        assert (await service.store.get(COUNTERS.collection, "broken"))["beside"]


async def test_more_than_a_sweep_of_what_cannot_be_sent_hides_nothing_behind_it(start, tmp_path, monkeypatch):
    monkeypatch.setattr(relay, "SWEEP", 10)
    async with before(tmp_path) as store:
        for n in range(30):
            await left(store, f"broken-{n}", n, **UNREADABLE)
        await left(store, "sound", 60, outbox=[event("sound")])
    async with start() as service:
        await seen(service, "sound")


async def test_a_queue_that_is_full_keeps_no_event_from_other_queues(service, client, broker, monkeypatch):
    connection = await aio_pika.connect(broker.url("operator"))
    channel = await connection.channel()
    full: dict[str, Any] = {"x-max-length": 1, "x-overflow": "reject-publish"}
    queue = await channel.declare_queue("integrator.full", auto_delete=True, arguments=full)
    await queue.bind("probe.events", "heard.v1")
    for n in range(8):
        await client.send(Add(counter=f"n{n}"))
        await seen(service, f"n{n}", patience=3)
    monkeypatch.setattr(relay, "SWEEP_SECONDS", 0.3)
    await queue.purge()
    await queue.unbind("probe.events", "heard.v1")
    await queue.delete(if_unused=False, if_empty=False)
    await connection.close()

    async def owed() -> list[Any]:
        return [d async for d in service.store.everything(COUNTERS.collection) if PENDING in d]

    await until(owed, lambda documents: not documents)


class Noting(Publisher):
    """Notes how many events are sent side by side; each is taken."""

    def __init__(self) -> None:
        super().__init__("amqp://nowhere.example/", "noting")
        self.together: list[int] = []

    async def publish_many(self, messages: Sequence[Outgoing]) -> list[BaseException | None]:
        self.together.append(len(messages))
        return [None] * len(messages)


async def test_documents_that_owe_much_are_not_all_sent_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(relay, "EVENTS", 50)
    noting = Noting()
    async with before(tmp_path) as store:
        relaying = relay.Relay(store, noting, "probe", [COUNTERS.collection], Metrics("probe"))
        for n in range(10):
            outbox = [event(f"{n}-{m}") for m in range(20)]
            await left(store, f"{n}", outbox=outbox)
            relaying.offer([Pending(COUNTERS.name, f"{n}", outbox)])
        await relaying.flush(20.0)
        assert not [d["_id"] async for d in store.everything(COUNTERS.collection) if PENDING in d]
    assert noting.together == [60, 60, 60, 20]


async def test_what_is_sent_is_the_envelope_as_it_writes_itself(tmp_path):
    data = {"nothing": None, "part": 1.5, "none": float("nan"), "text": "ærø\u2028", "deep": [{"nothing": None}]}
    envelope = Envelope(id="e1", source="/probe", type=Added.type(), subject="c1", data=data, traceparent="00-1-2-01")
    async with before(tmp_path) as store:
        relaying = relay.Relay(store, Noting(), "probe", [COUNTERS.collection], Metrics("probe"))
        outgoing = relaying._outgoing(envelope.model_dump(mode="json", exclude_none=True))
    assert outgoing == Outgoing(
        "probe.outbox", Added.routing_key(), envelope.to_json(), "e1", traceparent=envelope.traceparent
    )
