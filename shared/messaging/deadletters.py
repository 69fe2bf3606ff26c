"""Dead letters for operators: list, show, replay (mended if need be), drop. Every action is told as an audit record."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aio_pika.abc import AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import ChannelNotFoundEntity

from shared.messaging import failing
from shared.messaging.publisher import Outgoing, Publisher
from shared.messaging.topology import dead_queue

BACK_LOOKS, BACK_SECONDS = 40, 0.05
"""How often, and how far apart, it is looked whether the broker has what was put back."""


@dataclass(frozen=True)
class DeadLetter:
    """A message that was given up, and why."""

    id: str
    service: str
    queue: str
    reason: str
    detail: str
    handler: str
    type: str
    tries: int
    first: str
    last: str
    trace: str
    traceparent: str
    sender: str
    reply_to: str | None
    body: bytes

    @classmethod
    def of(cls, message: AbstractIncomingMessage, service: str, trusted: Collection[str]) -> "DeadLetter":
        """From our own headers, or from the broker's x-death where the delivery limit sent it here.

        Headers like ours are ours only if the broker vouches that the service, or a trusted user, set them: what is
        replayed goes out in the operator's name, to the queue and from the sender that stand here.
        """
        death = _last_death(message.headers or {})
        headers: Mapping[str, Any] = (message.headers or {}) if message.user_id in {service, *trusted} else {}
        return cls(
            id=message.message_id or "",
            service=service,
            queue=str(headers.get(failing.QUEUE) or death.get("queue") or ""),
            reason=str(headers.get(failing.REASON) or death.get("reason") or "unknown"),
            detail=str(headers.get(failing.DETAIL, "")),
            handler=str(headers.get(failing.HANDLER, "")),
            type=str(headers.get(failing.TYPE, "")) or _type_in(message.body),
            tries=failing.count(headers.get(failing.TRIES) or death.get("count")),
            first=str(headers.get(failing.FIRST) or death.get("time") or ""),
            last=str(headers.get(failing.LAST) or death.get("time") or ""),
            trace=str(headers.get(failing.TRACE, "")),
            traceparent=str(headers.get(failing.TRACEPARENT, "")),
            sender=str(headers.get(failing.SENDER, "" if failing.QUEUE in headers else message.user_id or "")),
            reply_to=message.reply_to,
            body=message.body,
        )

    def text(self) -> str:
        """The body as a person reads it."""
        try:
            return json.dumps(json.loads(self.body), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            return self.body.decode("utf-8", "backslashreplace")


type Match = Callable[[DeadLetter], bool]


class DeadLetters:
    """The dead letters of one service, as the operator's user sees them."""

    def __init__(self, publisher: Publisher, service: str) -> None:
        self._publisher = publisher
        self._service = service

    async def all(self) -> list[DeadLetter]:
        """All of them, oldest first; they stay where they are."""
        async with self._looking() as letters:
            return [letter for _, letter in letters]

    async def replay(self, match: Match, body: bytes | None = None) -> list[DeadLetter]:
        """Send those that match back to the queue that they came from, with another body if given; which they were.

        One leaves the dead letters only after the broker has confirmed the new copy.
        """
        return await self._settle(match, lambda letter: self._publisher.publish(_again(letter, body)))

    async def drop(self, match: Match) -> list[DeadLetter]:
        """Remove those that match for good; which they were."""
        return await self._settle(match, _nothing)

    async def _settle(self, match: Match, before: Callable[[DeadLetter], Awaitable[None]]) -> list[DeadLetter]:
        done = []
        async with self._looking() as letters:
            for message, letter in letters:
                if match(letter):
                    await before(letter)
                    await message.ack()
                    done.append(letter)
        return done

    @asynccontextmanager
    async def _looking(self) -> AsyncIterator[list[tuple[AbstractIncomingMessage, DeadLetter]]]:
        """Take all in hand; what was not settled is put back, and seen to be back, so that the next look finds it."""
        channel = await (await self._publisher.connection()).channel()
        try:
            queue = await channel.declare_queue(dead_queue(self._service), passive=True)
        except ChannelNotFoundEntity:
            yield []
            return
        messages = [m async for m in _in_hand(queue)]
        try:
            yield [(message, DeadLetter.of(message, self._service, {self._publisher.user})) for message in messages]
        finally:
            left = [m for m in messages if not m.processed]
            for message in left:
                await message.nack(requeue=True)
            await _until_ready(queue, len(left))
            await channel.close()


async def _in_hand(queue: AbstractQueue) -> AsyncIterator[AbstractIncomingMessage]:
    for _ in range(queue.declaration_result.message_count or 0):
        message = await queue.get(fail=False)
        if message is None:
            return
        yield message


async def _until_ready(queue: AbstractQueue, count: int) -> None:
    for _ in range(BACK_LOOKS):
        found = await queue.channel.declare_queue(queue.name, passive=True)
        if (found.declaration_result.message_count or 0) >= count:
            return
        await asyncio.sleep(BACK_SECONDS)


async def _nothing(_: DeadLetter) -> None:
    """Dropping sends nothing."""


def _again(letter: DeadLetter, body: bytes | None) -> Outgoing:
    sent = body or letter.body
    # Without a known sender the operator, who has looked at it, stands for it.
    headers = {failing.SENDER: letter.sender} if letter.sender else {}
    return Outgoing("", letter.queue, sent, _id_in(sent) or letter.id, headers=headers, reply_to=letter.reply_to)


def _last_death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    """The broker puts the latest in front; what stands behind it a sender may have written."""
    deaths = headers.get("x-death")
    return deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}


def _field(body: bytes, name: str) -> str:
    try:
        value = json.loads(body).get(name)
    except (ValueError, RecursionError, AttributeError):
        return ""
    return value if isinstance(value, str) else ""


def _type_in(body: bytes) -> str:
    return _field(body, "type")


def _id_in(body: bytes) -> str:
    return _field(body, "id")
