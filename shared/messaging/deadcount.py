"""Tells how many dead letters wait for an operator: the alert is made of it."""

import asyncio

from aio_pika.exceptions import ChannelNotFoundEntity

from shared.messaging.publisher import Publisher
from shared.messaging.topology import dead_queue
from shared.observability.metrics import Metrics

LOOK_SECONDS = 5.0


async def count_dead_letters(publisher: Publisher, service: str, metrics: Metrics) -> None:
    """Look every few seconds, for ever. Those that an operator has in hand are not counted until they are back."""
    while True:
        if publisher.connected:
            metrics.dead_letters(service, await _count(publisher, dead_queue(service)))
        await asyncio.sleep(LOOK_SECONDS)


async def _count(publisher: Publisher, queue: str) -> int:
    channel = await (await publisher.connection()).channel()
    try:
        found = await channel.declare_queue(queue, passive=True)
        return found.declaration_result.message_count or 0
    except ChannelNotFoundEntity:  # not declared yet
        return 0
    finally:
        await channel.close()
