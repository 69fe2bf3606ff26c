"""`consume`: an event through the whole pipeline to a handler that does nothing."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import aio_pika

from shared.collecting import collect_rarely
from shared.contracts.base import Envelope
from shared.messaging.declaring import declare
from shared.service import Service, topology
from shared.settings import ServiceSettings
from tests.bench.bench import Bench
from tests.bench.measuring import Cost, Figure, Side, Stopwatch, compared, in_turn
from tests.bench.memory_store import MemoryStore
from tests.bench.plain import Countdown, apart
from tests.messaging.probe import Added

QUEUE = "probe.from.probe"
PREFETCH = 100


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
        log_level="warning",
    )
    service = Service("probe", settings, commands={}, consumes={Added: hear}, publishes=(), repositories=[])
    if store is not None:
        for holder, name in ((service, "store"), (service.executor, "store"), (service.executor.erased, "_store")):
            setattr(holder, name, store)
    await service.open_store()
    service._store_reason = None
    collect_rarely()  # as `serve` does for a service
    with Stopwatch() as watch:
        consuming = asyncio.create_task(service.subscription.run())
        await countdown.done.wait()
    consuming.cancel()
    await asyncio.gather(consuming, return_exceptions=True)  # what is done is acknowledged
    await service.publisher.close()
    await service.store.close()
    return watch.cost(count)


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
            "bare": side(lambda: apart("bare", url, QUEUE, PREFETCH, count)),
            "plain": side(lambda: apart("plain", url, QUEUE, PREFETCH, count)),
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
