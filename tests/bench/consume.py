"""`consume`: an event through the whole pipeline to a handler that does nothing."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import aio_pika
from faststream import AckPolicy
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from pydantic import BaseModel

from shared.contracts.base import Envelope
from shared.messaging.declaring import declare
from shared.service import Service, topology
from shared.settings import ServiceSettings
from tests.bench.bench import Bench
from tests.bench.measuring import Cost, Figure, Side, Stopwatch, compared, in_turn
from tests.bench.memory_store import MemoryStore
from tests.messaging.probe import Added

QUEUE = "probe.from.probe"
PREFETCH = 100


class Data(BaseModel):
    """What the event says."""

    counter: str
    total: int


class Wire(BaseModel):
    """The whole message, as a script without an outbox would declare it."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: Data


class Countdown:
    """Set when so many were handled."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.done = asyncio.Event()

    def one(self) -> None:
        """One was handled."""
        self.left -= 1
        if not self.left:
            self.done.set()


def bodies(count: int) -> list[tuple[str, bytes]]:
    """Message ids with as many different events."""
    made = []
    for number in range(count):
        event = Added(counter=str(uuid.uuid4()), total=number)
        envelope = Envelope(
            id=str(uuid.uuid4()),
            source="/probe",
            type=event.type(),
            subject=event.subject,
            time=datetime.now(UTC),
            data=event.model_dump(mode="json"),
            aggregateversion=1,
            correlationid=str(uuid.uuid4()),
            causationid=str(uuid.uuid4()),
        )
        made.append((envelope.id, envelope.to_json()))
    return made


async def _nothing(*_: Any) -> None:
    """What a handler costs is its own."""


async def fill(url: str, count: int) -> None:
    """Put so many events into the queue, confirmed."""
    async with await aio_pika.connect(url) as connection:
        await declare(connection, topology("probe", {Added: _nothing}, (), (1.0,)))
        channel = await connection.channel()
        exchange = channel.default_exchange
        waiting = [
            exchange.publish(
                aio_pika.Message(
                    body, message_id=message_id, user_id="operator", delivery_mode=2, content_type="application/json"
                ),
                QUEUE,
            )
            for message_id, body in bodies(count)
        ]
        for start in range(0, count, 500):
            await asyncio.gather(*waiting[start : start + 500])


async def bare(url: str, count: int) -> Cost:
    """aio-pika and pydantic: parse, acknowledge."""
    countdown = Countdown(count)

    async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        Wire.model_validate_json(message.body)
        await message.ack()
        countdown.one()

    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        queue = await channel.get_queue(QUEUE, ensure=False)
        with Stopwatch() as watch:
            await queue.consume(take)
            await countdown.done.wait()
    return watch.cost(count)


async def plain(url: str, count: int) -> Cost:
    """A plain FastStream subscriber with a typed handler."""
    countdown = Countdown(count)
    broker = RabbitBroker(url, logger=None)

    @broker.subscriber(
        RabbitQueue(QUEUE, declare=False), channel=Channel(prefetch_count=PREFETCH), ack_policy=AckPolicy.ACK
    )
    async def take(message: Wire) -> None:
        countdown.one()

    with Stopwatch() as watch:
        await broker.start()
        await countdown.done.wait()
    await broker.stop()
    return watch.cost(count)


async def ours(url: str, count: int, store_url: str, store: MemoryStore | None) -> Cost:
    """The service's own pipeline."""
    countdown = Countdown(count)

    async def hear(_: Added, __: Any) -> None:
        countdown.one()

    settings = ServiceSettings(
        amqp_url=url,
        store_url=store_url,
        prefetch=PREFETCH,
        retry_delays=(1.0,),
        trusted_users=("operator",),
    )
    service = Service("probe", settings, commands={}, consumes={Added: hear}, publishes=(), repositories=[])
    if store is not None:
        for holder, name in ((service, "store"), (service.executor, "store"), (service.executor.erased, "_store")):
            setattr(holder, name, store)
    await service.open_store()
    service._store_reason = None
    import gc

    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    with Stopwatch() as watch:
        consuming = asyncio.create_task(service.subscription.run())
        await countdown.done.wait()
    gc.unfreeze()
    gc.set_threshold(2000, 10, 0)
    await settled(service)
    consuming.cancel()
    await asyncio.gather(consuming, return_exceptions=True)
    await service.publisher.close()
    await service.store.close()
    return watch.cost(count)


async def settled(service: Service) -> None:
    """The last acknowledgements are on the wire."""
    await asyncio.sleep(0.1)


async def measure(bench: Bench) -> list[Figure]:
    """Bare and plain against ours with the dedupe store in memory and with the real one."""
    url, count = bench.broker.url("operator"), bench.count(10_000)

    def side(act: Callable[[], Awaitable[Cost]]) -> Side:
        async def filled() -> Cost:
            await fill(url, count)
            return await act()

        return filled

    costs = await in_turn(
        {
            "bare": side(lambda: bare(url, count)),
            "plain": side(lambda: plain(url, count)),
            "memory": side(lambda: ours(url, count, bench.new_store(), MemoryStore())),
            "store": side(lambda: ours(url, count, bench.new_store(), None)),
        },
        bench,
    )
    return [
        compared("consume, memory : bare", costs["memory"], costs["bare"], goal=1.5),
        compared("consume, memory : FastStream", costs["memory"], costs["plain"], goal=1.0),
        compared("consume, store : bare", costs["store"], costs["bare"]),
        compared("consume, store : FastStream", costs["store"], costs["plain"]),
        compared("consume, store : bare, wall", costs["store"], costs["bare"], wall=True),
    ]
