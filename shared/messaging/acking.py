"""Acknowledges in groups: under load one frame says of many messages that they are done."""

import asyncio
from collections.abc import Awaitable

import structlog
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import AMQPError
from aiormq.abc import AbstractChannel

log = structlog.get_logger()

LINGER_SECONDS = 0.02
"""How long the first of a group waits for others; the broker sends on meanwhile, as a group is part of the prefetch."""


class Acks:
    """What is done of the messages of several queues, each with a channel of its own.

    Delivery tags count up from 1 on each channel (AMQP 0-9-1, section 1.1): once all up to one are settled, one frame
    tells that. What is done behind a message that is still in hand is told by itself. What was not told before its
    channel closed comes again.
    """

    def __init__(self, prefetch: int) -> None:
        self._group = max(1, prefetch // 4)  # the broker sends on while a group is gathered
        self._tags: dict[str, _Tags] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def done(self, queue: str, message: AbstractIncomingMessage) -> None:
        """Acknowledge it, soon."""
        if (tags := self._of(queue, message)) is not None:
            tags.done.append(message.delivery_tag or 0)
            # What came before is told at once: each time that a process dies with it in hand counts against it.
            if message.redelivered or len(tags.done) >= self._group:
                self._tell(tags)
            elif tags.timer is None:
                tags.timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._tell, tags)

    async def back(self, queue: str, message: AbstractIncomingMessage) -> None:
        """Give it back to its queue."""
        if (tags := self._of(queue, message)) is not None:
            await tags.back(message.delivery_tag or 0)

    async def flush(self) -> None:
        """Tell what is done, before the channels close."""
        for tags in self._tags.values():
            self._tell(tags)
        if self._telling:
            await asyncio.wait(self._telling)

    def _tell(self, tags: "_Tags") -> None:
        if tags.timer is not None:
            tags.timer.cancel()
            tags.timer = None
        if tags.done:
            telling = asyncio.get_running_loop().create_task(tags.tell())
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)

    def _of(self, queue: str, message: AbstractIncomingMessage) -> "_Tags | None":
        try:
            channel = message.channel
        except (AMQPError, RuntimeError) as error:
            log.info("settled_too_late", error=str(error))  # the channel is gone: the broker brings the message again
            return None
        found = self._tags.get(queue)
        if found is None or found.channel is not channel:
            found = self._tags[queue] = _Tags(channel)
        return found


class _Tags:
    """The delivery tags of one channel."""

    def __init__(self, channel: AbstractChannel) -> None:
        self.channel = channel
        self.done: list[int] = []
        """Not told yet."""
        self.timer: asyncio.TimerHandle | None = None
        self._upto = 0
        """All tags up to this one are settled."""
        self._beyond: set[int] = set()
        """Settled beyond it."""
        self._turn = asyncio.Lock()
        """A frame that tells of many must not overtake one that tells of one: nothing may be told twice."""

    async def tell(self) -> None:
        """Acknowledge what is done: what is settled without a gap by one frame, the rest one by one."""
        async with self._turn:
            done, self.done = self.done, []
            self._settled(done)
            together = [tag for tag in done if tag <= self._upto]
            if together:
                await _settle(self.channel.basic_ack(max(together), multiple=len(together) > 1))
            for tag in done:
                if tag > self._upto:
                    await _settle(self.channel.basic_ack(tag))

    async def back(self, tag: int) -> None:
        """Give one back."""
        async with self._turn:
            self._settled([tag])
            await _settle(self.channel.basic_nack(tag, requeue=True))

    def _settled(self, tags: list[int]) -> None:
        self._beyond.update(tags)
        while self._upto + 1 in self._beyond:
            self._upto += 1
            self._beyond.discard(self._upto)


async def _settle(settling: Awaitable[object]) -> None:
    try:
        await settling
    except (AMQPError, OSError, RuntimeError) as error:
        log.info("settled_too_late", error=str(error))  # the channel is gone: the broker brings the message again
