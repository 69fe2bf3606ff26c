"""Carries out one message: once in effect, whoever brings it (broker, page, background job)."""

import asyncio
import hashlib
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from shared.contracts.base import Command, Envelope, Message, Reply
from shared.contracts.problems import Conflict, Invalid, Refused
from shared.messaging.keyed import KeyedLock
from shared.observability import tracing
from shared.persons.erased import BeforeErasure, ErasedList
from shared.store.errors import BadValue, Stale
from shared.store.port import Document, Store
from shared.store.work import INBOX, Applied, Pending, Work, remember

type Handler = Callable[[Any, Work], Awaitable[BaseModel | None]]
"""`async def verb_object(message, work) -> result`: load, decide, save."""

CANONICAL = json.JSONEncoder(sort_keys=True)

RACES = 200
"""How often a lost race is retried from the load before it counts as a fault."""


@dataclass(frozen=True)
class Outcome:
    """How a message ended: the reply, and whether it had been handled before, or has no effect because it is about
    somebody who was erased.
    """

    reply: Reply
    duplicate: bool = False
    skipped: bool = False


DONE = Outcome(Reply.done(None))
DONE_JSON = DONE.reply.to_json().decode()
"""What almost every event ends with."""


class Executor:
    """Runs handlers in units of work: deduplicates by inbox id, retries lost races, keeps the order of each key."""

    def __init__(
        self,
        store: Store,
        service: str,
        relay: Callable[[Sequence[Pending]], None] = lambda _: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        context: Any = None,
        *,
        address_key: bytes = b"",
    ) -> None:
        """`address_key` makes the ids of erased persons."""
        self.store = store
        self.service = service
        self.erased = ErasedList(store, address_key)
        self.clock = clock
        self.context = context
        self._relay = relay
        self._keys = KeyedLock()

    async def run(
        self,
        envelope: Envelope,
        model: type[Message],
        handler: Handler,
        *,
        inbox_id: str = "",
        sender: str = "",
        remember_refusal: bool = True,
        pause: float = 0.0,
    ) -> Outcome:
        """Validate, then handle once. A refusal becomes the reply; faults of store or handler are raised.

        What the store can never keep (a number beyond 64 bits) makes a message Invalid: trying again would not help.
        `inbox_id` names the message among all that the service handles (queue and message id). A refusal that is told
        to somebody is remembered as the reply to this id; one that becomes a dead letter is not: it can be replayed.
        `pause`: seconds from now before it begins; others of the same key stay behind it.
        """
        begin = asyncio.get_running_loop().time() + pause
        # Held before anything is awaited: messages come here in their order, and must not overtake one another.
        async with self._keys.hold(order_key(envelope, model)):
            if pause:
                await asyncio.sleep(begin - asyncio.get_running_loop().time())
            data = await self.erased.without(envelope, model)
            if data is None:
                return Outcome(Reply.refused(BeforeErasure().problem()), skipped=True)
            try:
                message = model.model_validate(data)
            except ValidationError as error:
                raise Invalid.of(error) from None
            try:
                return await self._once(
                    envelope, message, handler, inbox_id or envelope.id, sender, remember_refusal=remember_refusal
                )
            except BadValue as bad:
                raise Invalid(f"holds a value that cannot be kept: {bad}") from bad

    async def execute(
        self, command: Command, handler: Handler, *, id: str, source: str, correlation: str | None = None
    ) -> Reply:
        """Carry out a command that comes from within the process: a page or a job."""
        with tracing.span(command.message_name) as traceparent:
            envelope = Envelope(
                id=id,
                source=source,
                type=command.type(),
                data=command.model_dump(mode="json"),
                correlationid=correlation,
                traceparent=traceparent,
            )
            inbox_id = f"{source}:{id}"
            return (await self.run(envelope, type(command), handler, inbox_id=inbox_id, sender=self.service)).reply

    async def act(
        self,
        id: str,
        work_on: Callable[[Work], Awaitable[BaseModel | None]],
        *,
        type: str = "job",
        correlation: str | None = None,
    ) -> Reply:
        """Carry out a background step as a unit of work of its own; `id` names it, so that again changes nothing."""

        async def handler(_: Any, work: Work) -> BaseModel | None:
            return await work_on(work)

        source = f"/{self.service}/jobs"
        with tracing.span(type) as trace:
            envelope = Envelope(id=id, source=source, type=type, data={}, correlationid=correlation, traceparent=trace)
            return (await self._once(envelope, None, handler, f"job:{id}", self.service)).reply

    async def _once(
        self,
        envelope: Envelope,
        message: Message | None,
        handler: Handler,
        inbox_id: str,
        sender: str,
        *,
        remember_refusal: bool = True,
    ) -> Outcome:
        digest = _digest(envelope)
        traceless = isinstance(message, Command) and message.traceless
        for race in range(RACES):
            seen = None if traceless else await self.store.get(INBOX, inbox_id)
            if seen is not None:
                return _again(seen, digest)
            work = Work(
                self.store,
                self.service,
                envelope,
                self.clock(),
                sender=sender,
                inbox_id=inbox_id,
                context=self.context,
                erased=self.erased,
                act=self.act,
            )
            try:
                if traceless:
                    return await self._traceless(work, message, handler)
                return await self._attempt(work, message, handler, digest, remember_refusal)
            except Applied as before:
                await remember(self.store, [before.entry])
                return _again(before.entry, digest)
            except Stale:
                await asyncio.sleep(random.uniform(0, min(0.001 * 2**race, 0.1)))  # noqa: S311 - no secret
            finally:
                if work.pending:
                    self._relay(work.pending)
        raise Stale(f"{envelope.type} {envelope.id}: lost {RACES} races for its aggregate")

    async def _attempt(
        self, work: Work, message: Message | None, handler: Handler, digest: str, remember_refusal: bool
    ) -> Outcome:
        try:
            result = await handler(message, work)
        except Refused as refusal:
            return await self._refuse(work, refusal, digest, remember_refusal)
        done = Outcome(Reply.done(result)) if result is not None else DONE
        await work.commit(self._entry(work, done.reply, digest))
        return done

    async def _traceless(self, work: Work, message: Message | None, handler: Handler) -> Outcome:
        try:
            return Outcome(Reply.done(await handler(message, work)))
        except Refused as refusal:
            return Outcome(Reply.refused(refusal.problem()))

    async def _refuse(self, work: Work, refusal: Refused, digest: str, keep: bool) -> Outcome:
        # Somebody may have carried out the same message meanwhile: then its own success is what refuses it here.
        seen = await self.store.get(INBOX, work.inbox_id)
        if seen is not None:
            return _again(seen, digest)
        reply = Reply.refused(refusal.problem())
        if keep:
            await remember(self.store, [self._entry(work, reply, digest)])
        return Outcome(reply)

    def _entry(self, work: Work, reply: Reply, digest: str) -> Document:
        said = DONE_JSON if reply is DONE.reply else reply.to_json().decode()
        return {"id": work.inbox_id, "reply": said, "digest": digest, "at": work.now}


def order_key(envelope: Envelope, model: type[Message]) -> str:
    """What messages are kept in order by: the command's key field, else the subject, else nothing but itself."""
    field = model.key if issubclass(model, Command) else None
    key = envelope.data.get(field) if field else envelope.subject
    return f"{key}" if key else f"message {envelope.id}"


def _digest(envelope: Envelope) -> str:
    """Of what the message says, in whatever order its fields stand: a sender may build it anew to send it again."""
    said = CANONICAL.encode([envelope.type, envelope.data])
    return hashlib.sha256(said.encode()).hexdigest()


def _again(entry: Document, digest: str) -> Outcome:
    if entry["digest"] != digest:
        reused = Conflict(
            "this message id was used before for a message with other content: give every message its own id"
        )
        return Outcome(Reply.refused(reused.problem()), duplicate=True)
    return Outcome(Reply.model_validate_json(entry["reply"]), duplicate=True)
