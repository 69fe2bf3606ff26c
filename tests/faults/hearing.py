"""An integrator that only listens: every event of every service, as often as it comes, into the ledger."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import aio_pika
from aio_pika.exceptions import AMQPError

from shared.contracts.base import Envelope
from tests.faults.ledger import Ledger

QUEUE = "integrator.ledger"
PAUSE_SECONDS = 0.1
HEARTBEAT = 5


@asynccontextmanager
async def hearing(url: str, services: Sequence[str], ledger: Ledger) -> AsyncIterator[None]:
    """Listen as long as the block lasts, over any number of connections.

    On a durable classic queue: RabbitMQ 3.10 may leave a quorum queue without a leader that was declared a moment
    before kill -9.
    """
    bound = asyncio.Event()
    task = asyncio.create_task(_for_ever(url, services, ledger, bound))
    await bound.wait()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _for_ever(url: str, services: Sequence[str], ledger: Ledger, bound: asyncio.Event) -> None:
    while True:
        with suppress(AMQPError, OSError, RuntimeError, TimeoutError, StopAsyncIteration):
            await _listen(url, services, ledger, bound)
        await asyncio.sleep(PAUSE_SECONDS)


async def _listen(url: str, services: Sequence[str], ledger: Ledger, bound: asyncio.Event) -> None:
    async with await aio_pika.connect(f"{url}?heartbeat={HEARTBEAT}", timeout=5) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=200)
        queue = await channel.declare_queue(QUEUE, durable=True)
        for service in services:
            await queue.bind(f"{service}.events", "#")
        bound.set()
        async with queue.iterator() as messages:
            async for message in messages:
                ledger.hear(Envelope.model_validate_json(message.body))
                await message.ack()
