"""Dead letters for operators: list, show, replay (mended if need be), drop.

Every action is written down before it is done (shared.messaging.audit). A dead letter stays in its queue until what was
done with it is confirmed: whoever is stopped in the middle leaves it there, or has sent a copy with the same id, which
has no second effect.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import ChannelNotFoundEntity
from aiormq.exceptions import ChannelLockedResource

from shared.messaging import failing
from shared.messaging.audit import Action, Audit
from shared.messaging.deadletter import DeadLetter, id_in
from shared.messaging.publisher import Nacked, Outgoing, Publisher, Unroutable
from shared.messaging.topology import dead_queue, dead_turn
from shared.observability.metrics import known

__all__ = ["Busy", "DeadLetter", "DeadLetters", "Match"]

BACK_LOOKS, BACK_SECONDS = 40, 0.05
"""How often, and how far apart, it is looked whether the broker has what was put back."""

TURN_SECONDS, TURN_PAUSE = 30.0, 0.1
"""How long to wait for another operator who is at the same dead letters, and how long between two looks."""

type Match = Callable[[DeadLetter], bool]
type Do = Callable[[DeadLetter], Awaitable[None]]


class Busy(Exception):
    """Somebody else works on these dead letters."""


@dataclass(eq=False)
class DeadLetters:
    """The dead letters of one service, as the operator's user sees them.

    `stuck`: those that matched and could not be sent, because their queue is gone or full; they are where they were.
    """

    publisher: Publisher
    service: str
    stuck: list[DeadLetter] = field(default_factory=list)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def all(self) -> list[DeadLetter]:
        """All of them, oldest first; they stay where they are."""
        return sorted([letter async for letter in self.each()], key=lambda letter: letter.last)

    async def each(self) -> AsyncIterator[DeadLetter]:
        """One after the other, in whatever order the broker has them after many were put back at once.

        Nobody else gets at them meanwhile: do not wait for people in between.
        """
        async with self._looking() as found:
            async for _, letter in found:
                yield letter

    async def replay(self, match: Match, body: bytes | None = None, why: str = "") -> list[DeadLetter]:
        """Send those that match back to the queue that they came from, with another body if given; which they were.

        One leaves the dead letters only after the broker has confirmed the new copy.
        """
        action = "replay" if body is None else "replay-edited"
        return await self._settle(match, action, why, lambda letter: self.publisher.publish(_again(letter, body)))

    async def drop(self, match: Match, why: str = "") -> list[DeadLetter]:
        """Remove those that match for good; which they were."""
        return await self._settle(match, "drop", why, _nothing)

    async def _settle(self, match: Match, action: str, why: str, do: Do) -> list[DeadLetter]:
        audit, done = Audit(self.publisher), []
        async with self._looking() as found:
            async for message, letter in found:
                if not match(letter):
                    continue
                said = await audit.intend(_said(letter, action, why))
                try:
                    await do(letter)
                except (Unroutable, Nacked) as error:
                    self.stuck.append(letter)
                    await audit.ended(said, f"failed: {error}")
                else:
                    await message.ack()
                    done.append(letter)
                    await audit.ended(said, "done")
        return done

    @asynccontextmanager
    async def _looking(self) -> AsyncIterator[AsyncIterator[tuple[AbstractIncomingMessage, DeadLetter]]]:
        """Take one after the other in hand; what was not settled is put back, and seen to be back in its place."""
        connection = await self.publisher.connection()
        async with self._turn, _turn(connection, dead_turn(self.service)):
            hands = _Hands(await _queue(connection, dead_queue(self.service)), self.service, self.publisher.user)
            try:
                yield hands.taken()
            finally:
                await hands.put_back()


class _Hands:
    """What one look has taken. Only the latest is kept: a thousand dead letters need no more room than one."""

    def __init__(self, queue: AbstractQueue | None, service: str, user: str) -> None:
        self._queue = queue
        self._service = service
        self._user = user
        self._latest: AbstractIncomingMessage | None = None
        self._left = 0

    async def taken(self) -> AsyncIterator[tuple[AbstractIncomingMessage, DeadLetter]]:
        if self._queue is None:
            return
        for _ in range(self._queue.declaration_result.message_count or 0):
            message = await self._queue.get(fail=False)
            if message is None:
                return
            self._note()
            self._latest = message
            yield message, DeadLetter.of(message, self._service, {self._user})

    async def put_back(self) -> None:
        self._note()
        if self._queue is None or self._queue.channel.is_closed:
            return  # the broker has put all back by itself
        channel = self._queue.channel
        underlay = await channel.get_underlay_channel()
        await underlay.basic_nack(0, multiple=True, requeue=True)  # 0: all that was taken and not settled
        await _until_ready(self._queue, self._left)
        await channel.close()

    def _note(self) -> None:
        if self._latest is not None and not self._latest.processed:
            self._left += 1
        self._latest = None


@asynccontextmanager
async def _turn(connection: AbstractConnection, name: str) -> AsyncIterator[None]:
    """Hold the exclusive queue of this name, which ends with the connection. Busy where somebody else keeps it."""
    channel = await _hold(connection, name)
    try:
        yield
    finally:
        if not channel.is_closed:
            await channel.queue_delete(name)
            await channel.close()


async def _hold(connection: AbstractConnection, name: str) -> AbstractChannel:
    for _ in range(round(TURN_SECONDS / TURN_PAUSE)):
        channel = await connection.channel()
        try:
            await channel.declare_queue(name, exclusive=True)
        except ChannelLockedResource:
            await asyncio.sleep(TURN_PAUSE)
        else:
            return channel
    raise Busy(f"somebody else has held {name} for {TURN_SECONDS:.0f} s")


async def _queue(connection: AbstractConnection, name: str) -> AbstractQueue | None:
    """None where there is none: the service never ran on this broker."""
    channel = await connection.channel()
    try:
        return await channel.declare_queue(name, passive=True)
    except ChannelNotFoundEntity:
        return None


async def _until_ready(queue: AbstractQueue, count: int) -> None:
    for _ in range(BACK_LOOKS):
        found = await queue.channel.declare_queue(queue.name, passive=True)
        if (found.declaration_result.message_count or 0) >= count:
            return
        await asyncio.sleep(BACK_SECONDS)


async def _nothing(_: DeadLetter) -> None:
    """Dropping sends nothing."""


def _said(letter: DeadLetter, action: str, why: str) -> Action:
    return Action(
        action=action,
        service=letter.service,
        message=letter.name,
        type=known(letter.type),  # what else stands there anybody may have written
        queue=letter.queue,
        reason=letter.reason,
        why=why,
    )


def _again(letter: DeadLetter, body: bytes | None) -> Outgoing:
    sent = letter.body if body is None else body
    # Without a known sender the operator, who has looked at it, stands for it.
    headers = {failing.SENDER: letter.sender} if letter.sender else {}
    return Outgoing("", letter.queue, sent, id_in(sent) or letter.id, headers=headers, reply_to=letter.reply_to)
