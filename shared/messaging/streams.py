"""Reads a stream of the broker from a point in time to its present end."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime

from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from shared.messaging.publisher import Outgoing, Publisher

STALLED_SECONDS = 60.0
"""A stream brings something within this time, or something is wrong with it."""

PREFETCH = 500


async def read_stream(
    publisher: Publisher, stream: str, since: datetime | None = None
) -> AsyncGenerator[AbstractIncomingMessage]:
    """All that is in the stream now, `since` as the broker cuts it: with whole chunks, so some may be older.

    Its end is known by a mark of our own, which stays in the stream: on a busy system there is never silence. Readers
    leave out what is no message of theirs. TimeoutError where the stream brings nothing more before the mark.
    """
    mark = str(uuid.uuid4())
    await publisher.publish(Outgoing("", stream, b"", mark, content_type="text/plain"))
    channel = await (await publisher.connection()).channel()
    try:
        await channel.set_qos(prefetch_count=PREFETCH)  # a stream is not read without
        queue = await channel.declare_queue(stream, passive=True)
        async for message in _until(mark, queue, since or "first"):
            yield message
    finally:
        await channel.close()


async def _until(mark: str, queue: AbstractQueue, offset: datetime | str) -> AsyncIterator[AbstractIncomingMessage]:
    arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    await queue.consume(arrived.put, arguments={"x-stream-offset": offset})
    while True:
        async with asyncio.timeout(STALLED_SECONDS):
            message = await arrived.get()
        if message.message_id == mark:
            return
        yield message
        await message.ack()
