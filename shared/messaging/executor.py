"""Carries out one message: once in effect, whoever brings it (broker, page, background job)."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from shared.contracts.base import Command, Envelope, Message, Reply
from shared.contracts.problems import Invalid, Refused
from shared.messaging.cancelling import fault_of
from shared.messaging.gathering import Decide, Gathered, Gathering
from shared.messaging.keyed import KeyedLock
from shared.messaging.unit import DONE, DONE_JSON, Outcome, Unit, first_of_each
from shared.observability import tracing
from shared.persons.erased import BeforeErasure, ErasedList
from shared.store.committing import commit
from shared.store.errors import Backlog, BadValue, Stale, Unavailable
from shared.store.port import Document, Store
from shared.store.work import INBOX, Applied, Group, Pending, Work, Written, remember, remembered

type Handler = Callable[[Any, Work], Awaitable[BaseModel | None]] | Gathered
"""`async def verb_object(message, work) -> result`: load, decide, save. Gathered: of all that wait at once."""

RACES = 200
"""How often a lost race is retried from the load before it counts as a fault."""


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
        self._written = Written()
        self._keys = KeyedLock()
        self._gathering = Gathering(self._keys, self._handle_all)

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
        `pause`: seconds from now before it begins, by itself; others of the same key stay behind it.
        """
        unit = Unit(envelope, model, inbox_id or envelope.id, sender, remember_refusal)
        key = unit.key
        if isinstance(handler, Gathered) and not pause:
            await self._gathering.join(key, unit, handler)
            return unit.ended
        begin = asyncio.get_running_loop().time() + pause
        self._gathering.close(key)
        # Held before anything is awaited: messages come here in their order, and must not overtake one another.
        async with self._keys.hold(key):
            if pause:
                await asyncio.sleep(begin - asyncio.get_running_loop().time())
            await self._handle(unit, handler)
        return unit.ended

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
            unit = Unit(envelope, None, f"job:{id}", self.service)
            await self._carry_out([unit], handler)
        return unit.ended.reply

    async def _handle_all(self, units: Sequence[Unit], handler: Gathered) -> list[BaseException | None]:
        """Handle them together. Where that fails for another reason than that the store is away, each by itself: what
        is wrong with one, or that what some of them add finds no room, is not told to others.
        """
        ready = [await fault_of(self._prepare(unit)) for unit in units]
        errors: dict[Unit, BaseException | None] = {u: error for u, error in zip(units, ready, strict=True) if error}
        waiting = [unit for unit in units if unit not in errors and unit.outcome is None]
        if len(waiting) == 1:
            errors[waiting[0]] = await fault_of(self._handle(waiting[0], handler))
        elif fault := await fault_of(self._carry_out(waiting, handler)):
            away = isinstance(fault, Unavailable) and not isinstance(fault, Backlog)
            left = [unit for unit in waiting if unit.outcome is None]
            errors |= {unit: fault if away else await fault_of(self._anew(unit, handler)) for unit in left}
        return [errors.get(unit) for unit in units]

    async def _anew(self, unit: Unit, handler: Handler) -> None:
        unit.message = None  # those before it may have taken long, and somebody may have been erased meanwhile
        await self._handle(unit, handler)

    async def _handle(self, unit: Unit, handler: Handler) -> None:
        await self._prepare(unit)
        if unit.outcome is not None:
            return
        try:
            await self._carry_out([unit], handler)
        except BadValue as bad:
            raise Invalid(f"holds a value that cannot be kept: {bad}") from bad

    async def _prepare(self, unit: Unit) -> None:
        """Invalid where it is not what its model says; skipped where it is about somebody who was erased."""
        if unit.message is not None:
            return
        assert unit.model is not None  # noqa: S101 - only steps of our own have none
        data = await self.erased.without(unit.envelope, unit.model)
        if data is None:
            unit.outcome = Outcome(Reply.refused(BeforeErasure().problem()), skipped=True)
            return
        try:
            unit.message = unit.model.model_validate(data)
        except ValidationError as error:
            raise Invalid.of(error) from None

    async def _carry_out(self, units: Sequence[Unit], handler: Handler) -> None:
        """Bring units to their outcomes: one decision after another, one write for all, again when it was too late."""
        for race in range(RACES):
            waiting = first_of_each(units)
            if not isinstance(handler, Gathered):
                waiting = await self._unseen(waiting)
            if not waiting:
                return
            works = self._works(waiting)
            try:
                await self._attempt(waiting, works, handler)
            except Applied as before:
                await remember(self.store, [before.entry])
                next(unit for unit in waiting if unit.inbox_id == before.entry["id"]).again(before.entry)
            except Stale:
                await asyncio.sleep(random.uniform(0, min(0.001 * 2**race, 0.1)))  # noqa: S311 - no secret
            finally:
                for work in works:
                    if work.pending:
                        self._relay(work.pending)
        if any(unit.outcome is None for unit in units):
            first = units[0].envelope
            raise Stale(f"{first.type} {first.id}: lost {RACES} races for its aggregate")

    async def _unseen(self, units: Sequence[Unit]) -> list[Unit]:
        """Those that the inbox does not know; the others have their outcome now."""
        found = await remembered(self.store, [unit.inbox_id for unit in units if not unit.traceless])
        for unit in units:
            if unit.inbox_id in found:
                unit.again(found[unit.inbox_id])
        return [unit for unit in units if unit.outcome is None]

    def _works(self, units: Sequence[Unit]) -> list[Work]:
        now, group = self.clock(), Group(self._written)
        return [
            Work(
                self.store,
                self.service,
                unit.envelope,
                now,
                sender=unit.sender,
                inbox_id=unit.inbox_id,
                context=self.context,
                erased=self.erased,
                act=self.act,
                group=group,
            )
            for unit in units
        ]

    async def _attempt(self, units: Sequence[Unit], works: Sequence[Work], handler: Handler) -> None:
        ended: list[tuple[Unit, Work, Outcome]] = []
        refused: list[tuple[Unit, Work, Refused]] = []
        decide = await self._deciding(units, works[0], handler) if isinstance(handler, Gathered) else handler
        for unit, work in zip(units, works, strict=True):
            if unit.outcome is not None:
                continue
            try:
                result = await decide(unit.message, work)
            except Refused as refusal:
                if work.staged is not None and len(units) > 1:  # those behind it have decided on what it saved
                    raise RuntimeError("refused after it was saved: it is handled by itself") from refusal
                refused.append((unit, work, refusal))
            else:
                ended.append((unit, work, Outcome(Reply.done(result)) if result is not None else DONE))
        kept = [
            (work, self._entry(work, outcome.reply, unit.digest)) for unit, work, outcome in ended if not unit.traceless
        ]
        elsewhere = await commit(kept, looked=decide is not handler) if kept else []
        for unit, _, outcome in ended:
            if unit.inbox_id not in elsewhere:
                unit.outcome = outcome
        if elsewhere:
            await self._unseen([unit for unit, _, _ in ended if unit.outcome is None])  # what is kept is the reply
        for unit, work, why in refused:
            await self._refuse(unit, work, why)

    async def _deciding(self, units: Sequence[Unit], work: Work, handler: Gathered) -> Decide[Any]:
        """What decides on each; those that the inbox knows have their outcome then. It is asked after the load: who
        handles one of them from now on makes the write stale.
        """
        decide = await _decide(units, work, handler)
        await self._unseen(units)
        return decide

    async def _refuse(self, unit: Unit, work: Work, refusal: Refused) -> None:
        if unit.traceless:
            unit.outcome = Outcome(Reply.refused(refusal.problem()))
            return
        # Somebody may have carried out the same message meanwhile: then its own success is what refuses it here.
        seen = await self.store.get(INBOX, unit.inbox_id)
        if seen is not None:
            unit.again(seen)
            return
        reply = Reply.refused(refusal.problem())
        if unit.keep_refusal and await remember(self.store, [self._entry(work, reply, unit.digest)]):
            await self._unseen([unit])
        else:
            unit.outcome = Outcome(reply)

    def _entry(self, work: Work, reply: Reply, digest: str) -> Document:
        said = DONE_JSON if reply is DONE.reply else reply.to_json().decode()
        return {"id": work.inbox_id, "reply": said, "digest": digest, "at": work.now}


async def _decide(units: Sequence[Unit], work: Work, handler: Gathered) -> Decide[Any]:
    """What decides on each. What refuses all, such as an aggregate that is not there, is told to each."""
    try:
        return await handler.load([unit.message for unit in units], work)
    except Refused as refusal:
        why = refusal

        async def refuse(_: Any, __: Work) -> None:
            raise why

        return refuse
