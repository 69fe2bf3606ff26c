"""Dead letters for operators: list, show, replay (mended if need be), drop. Every action is told as an audit record."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import ChannelNotFoundEntity

from shared.messaging import failing
from shared.messaging.publisher import Outgoing, Publisher
from shared.messaging.topology import dead_queue


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
    body: bytes

    @classmethod
    def of(cls, message: AbstractIncomingMessage, service: str) -> "DeadLetter":
        """From our own headers, or from the broker's x-death where the delivery limit sent it here."""
        headers: Mapping[str, Any] = message.headers or {}
        death = _first_death(headers)
        return cls(
            id=message.message_id or "",
            service=service,
            queue=str(headers.get(failing.QUEUE) or death.get("queue") or ""),
            reason=str(headers.get(failing.REASON) or death.get("reason") or "unknown"),
            detail=str(headers.get(failing.DETAIL, "")),
            handler=str(headers.get(failing.HANDLER, "")),
            type=str(headers.get(failing.TYPE, "")) or _type_in(message.body),
            tries=int(str(headers.get(failing.TRIES) or headers.get("x-delivery-count") or death.get("count") or 0)),
            first=str(headers.get(failing.FIRST) or death.get("time") or ""),
            last=str(headers.get(failing.LAST) or death.get("time") or ""),
            trace=str(headers.get(failing.TRACE, "")),
            traceparent=str(headers.get(failing.TRACEPARENT, "")),
            sender=str(headers.get(failing.SENDER) or message.user_id or ""),
            body=message.body,
        )

    def text(self) -> str:
        """The body as a person reads it."""
        try:
            return json.dumps(json.loads(self.body), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            return self.body.decode("utf-8", "backslashreplace")


class DeadLetters:
    """The dead letters of one service, as the operator's user sees them."""

    def __init__(self, publisher: Publisher, service: str) -> None:
        self._publisher = publisher
        self._service = service

    async def all(self) -> list[DeadLetter]:
        """All of them, oldest first; they stay where they are."""
        async with self._looking() as channel:
            return [letter async for _, letter in self._through(channel)]

    async def replay(self, letter_id: str, body: bytes | None = None) -> DeadLetter | None:
        """Send one back to the queue that it came from, with another body if given. It leaves the dead letters only
        after the broker confirmed the new copy. None where there is no such letter.
        """
        async with self._looking() as channel:
            async for message, letter in self._through(channel):
                if letter.id == letter_id:
                    await self._publisher.publish(_again(letter, body))
                    await message.ack()
                    return letter
        return None

    async def drop(self, letter_id: str) -> DeadLetter | None:
        """Remove one for good. None where there is no such letter."""
        async with self._looking() as channel:
            async for message, letter in self._through(channel):
                if letter.id == letter_id:
                    await message.ack()
                    return letter
        return None

    @asynccontextmanager
    async def _looking(self) -> AsyncIterator[AbstractChannel]:
        # Closing the channel puts everything back that was looked at and not acknowledged.
        channel = await (await self._publisher.connection()).channel()
        try:
            yield channel
        finally:
            await channel.close()

    async def _through(self, channel: AbstractChannel) -> AsyncIterator[tuple[AbstractIncomingMessage, DeadLetter]]:
        try:
            queue = await channel.declare_queue(dead_queue(self._service), passive=True)
        except ChannelNotFoundEntity:
            return
        for _ in range(queue.declaration_result.message_count or 0):
            message = await queue.get(fail=False)
            if message is None:
                return
            yield message, DeadLetter.of(message, self._service)


def _again(letter: DeadLetter, body: bytes | None) -> Outgoing:
    sent = body or letter.body
    return Outgoing("", letter.queue, sent, _id_in(sent) or letter.id, headers={failing.SENDER: letter.sender})


def _first_death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    deaths = headers.get("x-death")
    return deaths[-1] if isinstance(deaths, list) and deaths and isinstance(deaths[-1], dict) else {}


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
