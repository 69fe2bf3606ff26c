"""`publish`: what documents owe is on the broker, confirmed, and taken out of the documents."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import aio_pika

from shared.contracts.base import Envelope
from shared.messaging.declaring import declare
from shared.messaging.publisher import Publisher
from shared.messaging.relay import BATCH, Relay
from shared.observability.metrics import Metrics
from shared.service import topology
from shared.store.connect import connect
from shared.store.port import PENDING, Document, Store, Trim
from shared.store.work import Pending
from tests.bench.bench import Bench
from tests.bench.consume import QUEUE, _nothing
from tests.bench.measuring import Cost, Figure, Side, Stopwatch, compared, in_turn
from tests.messaging.probe import COUNTERS, Added

COLLECTION = COUNTERS.collection
EXCHANGE = "probe.outbox"


def events(count: int) -> list[Envelope]:
    """As many different ones."""
    made = []
    for number in range(count):
        event = Added(counter=str(uuid.uuid4()), total=number)
        made.append(
            Envelope(
                id=str(uuid.uuid4()),
                source="/probe",
                type=event.type(),
                subject=event.subject,
                data=event.model_dump(mode="json"),
                aggregateversion=1,
                correlationid=str(uuid.uuid4()),
                causationid=str(uuid.uuid4()),
            )
        )
    return made


async def filled(stack: AsyncExitStack, url: str, owed: Sequence[Envelope]) -> tuple[Store, list[Document]]:
    """A store with as many documents, each owing one event."""
    store = connect(url)
    await store.open([COLLECTION])
    stack.push_async_callback(store.close)
    documents = [
        {
            "_id": event.subject,
            "version": 1,
            "total": 1,
            PENDING: datetime.now(UTC),
            "outbox": [event.model_dump(mode="json", exclude_none=True)],
            "applied": [],
            "beside": [],
        }
        for event in owed
    ]
    await store.insert_many(COLLECTION, documents)
    return store, documents


async def bare(url: str, store_url: str, count: int) -> Cost:
    """Publish a batch side by side, each confirmed, then take it out of its documents."""
    owed = events(count)
    bodies = [event.to_json() for event in owed]
    async with AsyncExitStack() as stack:
        store, documents = await filled(stack, store_url, owed)
        channel = await _channel(stack, url)
        exchange = await channel.get_exchange(EXCHANGE, ensure=False)

        def published(event: Envelope, body: bytes) -> Awaitable[object]:
            message = aio_pika.Message(body, message_id=event.id, user_id="operator", delivery_mode=2)
            return exchange.publish(message, "added.v1")

        with Stopwatch() as watch:
            for start in range(0, count, BATCH):
                batch = slice(start, start + BATCH)
                await asyncio.gather(*map(published, owed[batch], bodies[batch]))
                ids = zip(documents[batch], owed[batch], strict=True)
                await store.trim(COLLECTION, [Trim(d["_id"], {"outbox": [e.id]}) for d, e in ids])
        await _all_gone(store, channel, count)
    return watch.cost(count)


async def ours(url: str, store_url: str, count: int) -> Cost:
    """The service's relay over its publisher, told of as many commits."""
    async with AsyncExitStack() as stack:
        store, documents = await filled(stack, store_url, events(count))
        channel = await _channel(stack, url)
        publisher = Publisher(url, "bench")
        await publisher.connection()
        stack.push_async_callback(publisher.close)
        relay = Relay(store, publisher, "probe", [COLLECTION], Metrics("probe"))
        with Stopwatch() as watch:
            relay.offer([Pending(COLLECTION.name, d["_id"], d["outbox"]) for d in documents])
            await relay.flush(600)
        await _all_gone(store, channel, count)
    return watch.cost(count)


async def _channel(stack: AsyncExitStack, url: str) -> aio_pika.abc.AbstractChannel:
    connection = await stack.enter_async_context(await aio_pika.connect(url))
    await declare(connection, topology("probe", {Added: _nothing}, (), (1.0,)))
    channel = await connection.channel(on_return_raises=True)
    await (await channel.get_queue(QUEUE, ensure=False)).bind(EXCHANGE, "#")
    return channel


async def _all_gone(store: Store, channel: aio_pika.abc.AbstractChannel, count: int) -> None:
    """Every event is in the queue and in no document any more."""
    left = [d["_id"] async for d in store.everything(COLLECTION) if PENDING in d]
    queue = await channel.get_queue(QUEUE)
    assert (left, queue.declaration_result.message_count) == ([], count)
    await queue.purge()


async def measure(bench: Bench) -> list[Figure]:
    """A bare confirmed publish and the same store write, against ours."""
    url, count = bench.broker.url("operator"), bench.count(6_000)

    def side(act: Callable[[str, str, int], Awaitable[Cost]]) -> Side:
        return lambda: act(url, bench.new_store(), count)

    costs = await in_turn({"bare": side(bare), "ours": side(ours)}, bench)
    return [
        compared("publish : bare and store write", costs["ours"], costs["bare"], goal=1.15),
        compared("publish : bare and store write, wall", costs["ours"], costs["bare"], wall=True),
    ]
