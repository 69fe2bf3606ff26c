"""Tells how many dead letters wait for an operator: the alert is made of it."""

import asyncio

from aio_pika.exceptions import ChannelNotFoundEntity
from aiormq.exceptions import ChannelLockedResource

from shared.messaging.kept import KeptChannel
from shared.messaging.publisher import Publisher
from shared.messaging.topology import dead_queue, dead_turn
from shared.observability.metrics import Metrics

LOOK_SECONDS = 5.0


async def count_dead_letters(publisher: Publisher, service: str, metrics: Metrics) -> None:
    """Look every few seconds, for ever. What somebody has in hand right now still counts."""
    count, kept = 0, KeptChannel(publisher.connection)
    while True:
        if publisher.connected:
            found = await _count(kept, dead_queue(service))
            if found >= count or not await _held(kept, dead_turn(service)):
                count = found
            metrics.dead_letters(service, count)
        await asyncio.sleep(LOOK_SECONDS)


async def _count(kept: KeptChannel, queue: str) -> int:
    """How many are ready; none where the queue is not declared yet."""
    try:
        async with kept.use() as channel:
            found = await channel.declare_queue(queue, passive=True)
    except ChannelNotFoundEntity:
        return 0
    return found.declaration_result.message_count or 0


async def _held(kept: KeptChannel, turn: str) -> bool:
    """Whether an operator holds the turn. Asked only when there are fewer: the broker logs each such question."""
    try:
        async with kept.use() as channel:
            await channel.declare_queue(turn, passive=True)
    except ChannelNotFoundEntity:
        return False
    except ChannelLockedResource:
        return True
    return False
