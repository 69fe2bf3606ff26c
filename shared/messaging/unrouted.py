"""Brings back events that no queue was bound for, as soon as one is.

The alternate exchange keeps them in `<s>.unrouted`; each is published again to `<s>.events` until the broker no longer
sends it round. The count is a metric, and an alert.
"""

import asyncio

import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from shared.messaging.kept import KeptChannel
from shared.messaging.publisher import Outgoing, Publisher
from shared.observability.metrics import Metrics

log = structlog.get_logger()

LOOK_SECONDS = 3.0
"""Short, since operators are to hear of it within 10 s."""


async def return_unrouted(publisher: Publisher, service: str, metrics: Metrics) -> None:
    """Look every few seconds, for ever."""
    kept = KeptChannel(publisher.connection)
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if publisher.connected:
            await _look(kept, publisher, service, metrics)


async def _look(kept: KeptChannel, publisher: Publisher, service: str, metrics: Metrics) -> None:
    async with kept.use() as channel:
        queue = await channel.declare_queue(f"{service}.unrouted", passive=True)
        count = queue.declaration_result.message_count or 0
        metrics.unrouted_waiting.set(count)
        if count:
            log.error("unrouted_events", count=count, queue=queue.name)
        await _send_again(publisher, service, queue, count, metrics)


async def _send_again(publisher: Publisher, service: str, queue: AbstractQueue, count: int, metrics: Metrics) -> None:
    for _ in range(count):
        message: AbstractIncomingMessage | None = await queue.get(fail=False)
        if message is None:
            return
        metrics.unrouted(f"dk.rummelig.{service}.{message.routing_key}")
        again = Outgoing(f"{service}.events", message.routing_key or "", message.body, message.message_id or "")
        await publisher.publish(again)
        await message.ack()
