"""Takes messages from queues and settles every one of them: acknowledged after its effect, tried again, or laid aside.

A message is acknowledged only when its effect is in the store, its reply is on the way, and, where it failed, its copy
is confirmed in a retry tier or among the dead letters. Whatever interrupts before that, the broker brings it again.
While store or broker are in trouble a message is held, not given back: each time that it is given back counts towards
the delivery limit, and an innocent message must not end there.
"""

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import structlog
from aio_pika.abc import AbstractIncomingMessage
from structlog.contextvars import bind_contextvars

from shared.contracts.base import Envelope, Message, Reply
from shared.contracts.problems import Invalid, Refused
from shared.messaging.acking import Acks
from shared.messaging.cancelling import is_cancelled
from shared.messaging.dispatch import Dispatch, Route, Unknown, Unreadable
from shared.messaging.executor import Executor, Handler
from shared.messaging.failing import Delivery, Failing, Failure
from shared.messaging.giving_way import pause_of
from shared.messaging.publisher import Outgoing, Publisher, Unconfirmed, Unroutable
from shared.messaging.replying import Replies
from shared.messaging.topology import Topology
from shared.observability import tracing
from shared.observability.metrics import Metrics
from shared.store.errors import Backlog, Newer, StoreError, Unavailable

log = structlog.get_logger()

GIVE_BACK_SECONDS = 1.0
NEWER_SECONDS = 10.0
"""For so long after the last document of a newer version a process calls itself not ready."""

PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between looks at a store that is away, or a broker that does not confirm."""
BACKLOG_LOOKS = 3
"""Looks at a document that owes too much before its message waits elsewhere: a burst is over by then."""


class Consumer:
    """Handles the messages of one service's queues. `take` is what FastStream calls for each."""

    def __init__(
        self,
        topology: Topology,
        tables: Mapping[str, Mapping[type[Message], Handler]],
        executor: Executor,
        publisher: Publisher,
        *,
        replies: Replies,
        metrics: Metrics,
        prefetch: int,
        trusted: Sequence[str] = (),
    ) -> None:
        self._executor = executor
        self._replies = replies
        self._failing = Failing(publisher, topology)
        self._metrics = metrics
        self._trusted = frozenset({topology.service, *trusted})
        self._newer = ("", 0.0)
        self.acks = Acks(prefetch)
        self._dispatch = {queue: Dispatch(queue, table, frozenset(trusted)) for queue, table in tables.items()}

    @property
    def reasons(self) -> list[str]:
        """Why this process cannot do its work although store and broker are there: a newer version took over."""
        told, at = self._newer
        return [f"store: {told}"] if told and time.monotonic() - at < NEWER_SECONDS else []

    async def take(self, raw: AbstractIncomingMessage, queue: str) -> None:
        """Handle one message to its end and acknowledge it; give it back where not even that can be done."""
        if queue.endswith(".commands") and (raw.exchange or "").endswith((".outbox", ".events")):
            # Somebody who may write to the exchange of commands bound events to the queue of the same name: copies that
            # nobody here is meant to have. Laid aside, they would drown the dead letters.
            log.warning("events_bound_to_commands", queue=queue, exchange=raw.exchange)
            self._metrics.consumed(queue, "unknown", "foreign")
            self.acks.done(queue, raw)
            return
        delivery = Delivery.of(raw, queue, self._trusted)
        try:
            outcome = await self._hold(delivery)
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and is_cancelled():
                raise  # the channel is gone, or the service stops: the broker brings it again
            # Neither handled nor laid aside. It must not stay in hand for ever, nor come back at once.
            log.exception("gave_back", queue=queue, message_id=delivery.message_id)
            await asyncio.sleep(GIVE_BACK_SECONDS)
            await self.acks.back(queue, raw)
            return
        self._metrics.consumed(queue, *outcome)
        self.acks.done(queue, raw)

    async def _hold(self, delivery: Delivery) -> tuple[str, str]:
        """Handle the message; again while the broker does not confirm what follows from it, which changes nothing."""
        for look in itertools.count():
            try:
                return await self._handle(delivery)
            except Unroutable:
                raise
            except Unconfirmed as error:
                log.warning("held", queue=delivery.queue, message_id=delivery.message_id, error=str(error))
            await asyncio.sleep(PAUSES[min(look, len(PAUSES) - 1)])
        raise AssertionError("counting has no end")

    async def _handle(self, delivery: Delivery) -> tuple[str, str]:
        """Returns type and outcome, for the counter."""
        dispatch = self._dispatch[delivery.queue]
        envelope: Envelope | None = None
        try:
            envelope = dispatch.read(delivery)
            if not delivery.message_id:
                delivery = replace(delivery, message_id=envelope.id)
            route = dispatch.route(envelope, delivery)
        except Refused as refusal:
            if isinstance(refusal, Unknown) and delivery.queue.endswith(f".from.{delivery.sender}"):
                # Its publisher vouches for it, and the queue is bound for it: a newer process of ours knows it.
                return "unknown", await self._leave_to_newer(delivery, refusal)
            return "unknown", await self._refuse(delivery, envelope, refusal, None)
        # Each message has a task of its own, and with it what is bound here.
        bind_contextvars(
            correlation_id=envelope.correlationid or envelope.id, message_id=envelope.id, type=envelope.type
        )
        with tracing.span(route.spoken, envelope.traceparent, kind="consumer") as traceparent:
            traced = envelope if traceparent == envelope.traceparent else _traced(envelope, traceparent)
            return envelope.type, await self._run(delivery, traced, route)

    async def _run(self, delivery: Delivery, envelope: Envelope, route: Route) -> str:
        started = time.perf_counter()
        try:
            outcome = await self._with_store(delivery, envelope, route)
        except Refused as refusal:
            return await self._refuse(delivery, envelope, refusal, route)
        except Unconfirmed:
            raise
        except Backlog as backlog:
            return await self._postpone(delivery, envelope, route, backlog)
        except (Exception, asyncio.CancelledError) as error:  # whatever a handler raises, the message must not be lost
            if isinstance(error, asyncio.CancelledError) and is_cancelled():
                raise
            return await self._fail(delivery, envelope, route, error)
        finally:
            self._metrics.handled(envelope.type, time.perf_counter() - started)
        if outcome.duplicate:
            self._metrics.duplicate(delivery.queue)
        if outcome.reply.problem and not delivery.reply_to and not outcome.skipped:
            await self._bury(delivery, envelope, route, Failure("refused", outcome.reply.problem.detail))
            return "dead"
        await self._reply(delivery, envelope, outcome.reply)
        if outcome.skipped:
            return "skipped"
        return "duplicate" if outcome.duplicate else "refused" if outcome.reply.problem else "done"

    async def _with_store(self, delivery: Delivery, envelope: Envelope, route: Route) -> Any:
        """Run, and while the store is away hold the message and wait: no try is burnt, and with all prefetched
        messages held the queue is left alone.
        """
        for look in range(1_000_000):
            try:
                return await self._executor.run(
                    envelope,
                    route.model,
                    route.handler,
                    inbox_id=f"{delivery.queue}:{envelope.id}",
                    sender=delivery.sender,
                    remember_refusal=bool(delivery.reply_to),
                    pause=0.0 if look else pause_of(delivery.headers),
                )
            except Unavailable as error:
                if isinstance(error, Backlog) and look >= BACKLOG_LOOKS:
                    raise
                if isinstance(error, Newer):
                    self._newer = (str(error), time.monotonic())
                log.warning("store_away", error=str(error))
                await self._store_is_back(look)
        raise Unavailable("the store never came back")

    async def _store_is_back(self, look: int) -> None:
        while True:
            await asyncio.sleep(PAUSES[min(look, len(PAUSES) - 1)])
            look += 1
            try:
                await self._executor.store.ping()
            except StoreError:
                continue  # the log has said that it is away, and /readyz goes on saying it
            return

    async def _refuse(
        self, delivery: Delivery, envelope: Envelope | None, refusal: Refused, route: Route | None
    ) -> str:
        """Lay aside what nobody would hear of, or what can never work; then answer who waits for one.

        In this order: laying aside may have to be done again, and nobody is to be answered twice.
        """
        laid_aside = not delivery.reply_to or isinstance(refusal, Unreadable)
        if laid_aside:
            reason = "invalid" if isinstance(refusal, Invalid) else refusal.slug
            await self._bury(delivery, envelope, route, Failure(reason, refusal.detail))
        await self._reply(delivery, envelope, Reply.refused(refusal.problem()))
        return "dead" if laid_aside else "refused"

    async def _fail(self, delivery: Delivery, envelope: Envelope, route: Route, error: BaseException) -> str:
        failure = Failure.of(error).named(route.handler_name, envelope.type, envelope.traceparent)
        tier = await self._failing.retry_or_bury(delivery, failure)
        if tier:
            log.warning("retried_later", tier=tier, tries=delivery.tries + 1, error=failure.detail, where=failure.trace)
            self._metrics.retried(delivery.queue, envelope.type)
            return "retried"
        log.error("dead_letter", reason=failure.reason, error=failure.detail, where=failure.trace)
        self._metrics.dead_lettered(delivery.queue, failure.reason)
        return "dead"

    async def _leave_to_newer(self, delivery: Delivery, unknown: Unknown) -> str:
        """While versions run side by side the next try may reach a process that handles it; when all tries are used up
        it is a dead letter like any other.
        """
        tier = await self._failing.retry_or_bury(delivery, Failure("unknown-type", unknown.detail))
        log.warning("left_to_newer", queue=delivery.queue, message_id=delivery.message_id, tier=tier)
        if tier is None:
            self._metrics.dead_lettered(delivery.queue, "unknown-type")
            return "dead"
        self._metrics.retried(delivery.queue, "unknown")
        return "retried"

    async def _postpone(self, delivery: Delivery, envelope: Envelope, route: Route, backlog: Backlog) -> str:
        """Out of the way of messages for other aggregates until the document has room again."""
        failure = Failure.of(backlog).named(route.handler_name, envelope.type, envelope.traceparent)
        if not await self._failing.postpone(delivery, failure):
            raise Unconfirmed(str(backlog)) from backlog  # held, for want of another place
        log.warning("postponed", queue=delivery.queue, message_id=envelope.id, error=str(backlog))
        self._metrics.retried(delivery.queue, envelope.type)
        return "postponed"

    async def _bury(self, delivery: Delivery, envelope: Envelope | None, route: Route | None, failure: Failure) -> None:
        handler = route.handler_name if route else ""
        named = failure.named(handler, envelope.type if envelope else "", envelope.traceparent if envelope else None)
        await self._failing.bury(replace(delivery, reply_to=None), named)  # who waited for a reply has it
        log.error("dead_letter", reason=failure.reason, error=failure.detail, queue=delivery.queue)
        self._metrics.dead_lettered(delivery.queue, failure.reason)

    async def _reply(self, delivery: Delivery, envelope: Envelope | None, reply: Reply) -> None:
        if not delivery.reply_to:
            return
        known_by = envelope.id if envelope else delivery.message_id or delivery.correlation_id
        # Not mandatory: the broker returns what goes to a direct reply-to although it delivers it.
        answer = Outgoing(
            "",
            delivery.reply_to,
            reply.to_json(),
            str(uuid4()),
            content_type="application/json",
            correlation_id=known_by,
            mandatory=False,
        )
        await self._replies.send(answer)


def _traced(envelope: Envelope, traceparent: str | None) -> Envelope:
    return envelope.model_copy(update={"traceparent": traceparent})
