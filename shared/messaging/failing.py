"""What becomes of a message that could not be handled: tried again later, or laid aside as a dead letter."""

import traceback
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog
from aio_pika.abc import AbstractIncomingMessage

from shared.messaging.declaring import declare
from shared.messaging.publisher import Outgoing, Publisher, Unroutable
from shared.messaging.topology import Topology, is_inner
from shared.observability.failures import message_of

log = structlog.get_logger()

TRIES = "x-rummelig-tries"
FIRST = "x-rummelig-first"
LAST = "x-rummelig-last"
SENDER = "x-rummelig-sender"
QUEUE = "x-rummelig-queue"
REASON = "x-rummelig-reason"
DETAIL = "x-rummelig-detail"
HANDLER = "x-rummelig-handler"
TRACE = "x-rummelig-trace"
TRACEPARENT = "x-rummelig-traceparent"
TYPE = "x-rummelig-type"

DETAIL_LENGTH = 1000
FRAMES = 12


@dataclass(slots=True)
class Delivery:
    """A message as a queue brought it, with what is known of its past. Not frozen: every message makes one."""

    queue: str
    body: bytes
    message_id: str
    correlation_id: str
    sender: str
    reply_to: str | None
    content_type: str
    tries: int
    first: str
    headers: Mapping[str, Any]

    @classmethod
    def of(cls, raw: AbstractIncomingMessage, queue: str, trusted: frozenset[str]) -> "Delivery":
        """Read the properties. The original sender's name counts only if the broker vouches for who passed it on.

        Nobody has a reply sent into the services' own queues, which only they may write to: as if none was wanted.
        """
        headers = raw.headers or {}
        ours = raw.user_id in trusted
        passed_on = ours and isinstance(headers.get(SENDER), str)
        return cls(
            queue=queue,
            body=raw.body,
            message_id=raw.message_id or "",
            correlation_id=raw.correlation_id or "",
            sender=str(headers[SENDER]) if passed_on else raw.user_id or "",
            reply_to=raw.reply_to if raw.reply_to and not is_inner(raw.reply_to) else None,
            content_type=raw.content_type or "",
            tries=count(headers.get(TRIES)) if ours else 0,
            first=str(headers.get(FIRST) or "") if ours else "",
            headers=headers,
        )


@dataclass(frozen=True)
class Failure:
    """Why a message could not be handled."""

    reason: str
    detail: str
    handler: str = ""
    trace: str = ""
    traceparent: str = ""
    type: str = ""

    @classmethod
    def of(cls, error: BaseException, reason: str = "handler-failed") -> "Failure":
        """From what a handler raised: places and the error's text, no values of variables."""
        frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
        where = "\n".join(f"{f.filename.rpartition('/')[2]}:{f.lineno} {f.name}" for f in frames)
        return cls(reason, f"{type(error).__name__}: {message_of(error)}", trace=where)

    def named(self, handler: str, type: str, traceparent: str | None) -> "Failure":
        """The same with what was known of the message."""
        return replace(self, handler=handler, type=type, traceparent=traceparent or "")


class Failing:
    """Moves failed messages on with the broker's confirm; the caller acknowledges the original after that."""

    def __init__(self, publisher: Publisher, topology: Topology) -> None:
        self._publisher = publisher
        self._topology = topology

    async def retry_or_bury(self, delivery: Delivery, failure: Failure) -> str | None:
        """To the next retry tier, or to the dead letters when the tries are used up. Returns the tier or None."""
        tier = self._topology.retry(delivery.tries + 1)
        if tier is None:
            await self.bury(delivery, failure)
            return None
        await self._move(self._copy(delivery, failure, tier, delivery.queue))
        return tier

    async def postpone(self, delivery: Delivery, failure: Failure) -> bool:
        """To a retry tier without counting a try: it is not the message's fault. False where there is no tier."""
        tier = self._topology.retry(2) or self._topology.retry(1)
        if tier is not None:
            untried = replace(delivery, tries=delivery.tries - 1)
            await self._move(self._copy(untried, failure, tier, delivery.queue))
        return tier is not None

    async def bury(self, delivery: Delivery, failure: Failure) -> None:
        """To the dead letters. Who waits for a reply gets it when it is replayed."""
        await self._move(self._copy(delivery, failure, "", self._topology.dead))

    async def _move(self, copy: Outgoing) -> None:
        """Publish it; where its queue is gone, as after an operator's slip, make it anew first."""
        try:
            await self._publisher.publish(copy)
        except Unroutable as error:
            log.warning("queue_missing", error=str(error))
            await declare(await self._publisher.connection(), self._topology)
            await self._publisher.publish(copy)

    def _copy(self, delivery: Delivery, failure: Failure, exchange: str, routing_key: str) -> Outgoing:
        now = datetime.now(UTC).isoformat()
        headers = {
            TRIES: delivery.tries + 1,
            FIRST: delivery.first or now,
            LAST: now,
            SENDER: delivery.sender,
            QUEUE: delivery.queue,
            REASON: failure.reason,
            DETAIL: failure.detail[:DETAIL_LENGTH],
            HANDLER: failure.handler,
            TRACE: failure.trace,
            TRACEPARENT: failure.traceparent,
            TYPE: failure.type,
        }
        return Outgoing(
            exchange,
            routing_key,
            delivery.body,
            delivery.message_id or str(uuid.uuid4()),  # an operator needs a name for it
            headers={k: _plain(v) for k, v in headers.items() if v != ""},
            content_type=delivery.content_type,
            reply_to=delivery.reply_to,
        )


def _plain(value: Any) -> Any:
    """Text that can be sent, whatever an error message is made of."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def count(value: object) -> int:
    """The number in a header; anybody may have written it."""
    return value if isinstance(value, int) and 0 <= value < 1000 else 0
