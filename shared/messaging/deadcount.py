"""Tells how many dead letters wait for an operator: the alert is made of it."""

import asyncio

from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity
from aiormq.exceptions import ChannelLockedResource

from shared.messaging.publisher import Publisher
from shared.messaging.topology import dead_queue, dead_turn
from shared.observability.metrics import Metrics

LOOK_SECONDS = 5.0


async def count_dead_letters(publisher: Publisher, service: str, metrics: Metrics) -> None:
    """Look every few seconds, for ever. What somebody has in hand right now still counts."""
    count = 0
    while True:
        if publisher.connected:
            connection = await publisher.connection()
            found = await _count(connection, dead_queue(service))
            if found >= count or not await _held(connection, dead_turn(service)):
                count = found
            metrics.dead_letters(service, count)
        await asyncio.sleep(LOOK_SECONDS)


async def _count(connection: AbstractConnection, queue: str) -> int:
    """How many are ready; none where the queue is not declared yet."""
    channel = await connection.channel()
    try:
        found = await channel.declare_queue(queue, passive=True)
        return found.declaration_result.message_count or 0
    except ChannelNotFoundEntity:
        return 0
    finally:
        await channel.close()


async def _held(connection: AbstractConnection, turn: str) -> bool:
    """Whether an operator holds the turn. Asked only when there are fewer: the broker logs each such question."""
    channel = await connection.channel()
    try:
        await channel.declare_queue(turn, passive=True)
    except ChannelNotFoundEntity:
        return False
    except ChannelLockedResource:
        return True
    finally:
        await channel.close()
    return False
