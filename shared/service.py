"""One service: its store, its messages, its background jobs and its HTTP side, started and stopped as one.

HTTP answers from the start. Store and broker are waited for in the background and told by /readyz.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from shared.contracts.base import Command, Event, Message
from shared.messaging.cancelling import end, is_cancelled
from shared.messaging.consumer import Consumer
from shared.messaging.deadcount import count_dead_letters
from shared.messaging.declaring import bind_log, declare, subscribe
from shared.messaging.executor import Executor, Handler
from shared.messaging.janitor import forget_old
from shared.messaging.kept import KeptChannel
from shared.messaging.publisher import Publisher
from shared.messaging.relay import Relay
from shared.messaging.replying import Replies
from shared.messaging.subscription import Subscription
from shared.messaging.topology import Topology
from shared.messaging.unrouted import return_unrouted
from shared.observability import logs, tracing
from shared.observability.metrics import Metrics
from shared.settings import ServiceSettings
from shared.store.backup import Kept, refuse_unfinished
from shared.store.connect import connect
from shared.store.errors import Duplicate, StoreError
from shared.store.repository import Repository
from shared.store.work import OWN_COLLECTIONS
from shared.web.application import application

log = structlog.get_logger()

type Job = Callable[[Service], Awaitable[None]]
"""Runs for ever once the store is open; started again with a pause if it raises; cancelled at the stop."""

type Restored = Callable[[Service, datetime, str | None], Awaitable[str]]
"""What must not simply go on in a store that came back as it was at a time: the service with its store open, the time,
the broker's URL for the log of all events (None: it is not at hand). Returns what it did, in a line. Again changes
nothing."""

STORE_WATCH_SECONDS = 2.0
STOP_SECONDS = 15.0
"""What consumers may take to stop beyond the grace of what they have in hand: they may just be connecting."""
JOB_PAUSE_SECONDS = 1.0
LOG_PAUSES = (0.1, 0.1, 0.2, 0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to bind the log: a broker that has just started serves its streams a moment later."""
LOG_LOOK_SECONDS = 10.0
"""Between looks whether the log is still there: what is sent without it is missing from every replay."""


class Service:
    """Wires a service from its tables. `context` is what handlers find as `work.context`."""

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        *,
        commands: Mapping[type[Command], Handler],
        consumes: Mapping[type[Event], Handler],
        publishes: Sequence[type[Event]],
        repositories: Sequence[Repository[Any]],
        jobs: Sequence[Job] = (),
        restored: Sequence[Restored] = (),
        context: Any = None,
    ) -> None:
        logs.configure(settings)
        tracing.configure(name)
        self.name = name
        self.settings = settings
        self.metrics = Metrics(name)
        self.store = connect(settings.store_url.get_secret_value())
        self.topology = topology(name, consumes, publishes, settings.retry_delays)
        self.publisher = Publisher(settings.amqp_url.get_secret_value(), f"{name}-publish")
        self.replies = Replies(settings.amqp_url.get_secret_value(), f"{name}-reply")
        self.repositories = repositories
        self.restored = restored
        self.kept = [*map(Kept, OWN_COLLECTIONS), *(Kept(r.collection, r.format) for r in repositories)]
        self.collections = [each.collection for each in self.kept]
        self.relay = Relay(self.store, self.publisher, name, self.collections, self.metrics)
        address_key = settings.address_key.get_secret_value().encode()
        self.executor = Executor(self.store, name, self.relay.offer, context=context, address_key=address_key)
        self._consumer = Consumer(
            self.topology,
            tables(self.topology, commands, consumes),
            self.executor,
            self.publisher,
            replies=self.replies,
            metrics=self.metrics,
            prefetch=settings.prefetch,
            trusted=settings.trusted_users,
        )
        self.subscription = Subscription(
            settings.amqp_url.get_secret_value(),
            f"{name}-consume",
            self.topology.inputs,
            self._consumer.take,
            prefetch=settings.prefetch,
            shutdown_seconds=settings.shutdown_seconds,
            prepare=self._prepare,
            settle=self._consumer.acks.flush,
            away=lambda: self._store_reason is not None,
        )
        self._declared = asyncio.Event()
        self._log_bound = asyncio.Event()
        self._jobs = jobs
        self._store_reason: str | None = "store: not opened yet"
        self.extra_reasons: dict[str, str] = {}
        self._tell_metrics()

    def _tell_metrics(self) -> None:
        """What is known at the time of the scrape, not at that of the last look."""
        self.metrics.ready.set_function(lambda: not self.reasons())
        self.metrics.store_up.set_function(lambda: self._store_reason is None)
        self.metrics.broker_up.set_function(lambda: self.publisher.connected)
        self.metrics.consumers_missing.set_function(lambda: len(self.subscription.missing()))
        self.metrics.log_bound.set_function(lambda: self._log_bound.is_set() and "log" not in self.extra_reasons)

    def reasons(self) -> list[str]:
        """Why the service is not ready; nothing when it is. Jobs add theirs in `extra_reasons`."""
        store = [self._store_reason] if self._store_reason else []
        publisher = [] if self.publisher.connected else ["broker: not connected for publishing"]
        return [*store, *self.subscription.reasons, *publisher, *self._consumer.reasons, *self.extra_reasons.values()]

    def asgi(self, routes: Sequence[BaseRoute] = ()) -> Starlette:
        """The service as an ASGI application: the given pages, health, metrics, and the service's own life."""
        app = application(self.settings, self.metrics, self.reasons, routes, self._lifespan)
        app.state.service = self
        return app

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(self._live(), name=self.name)
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self.relay.flush(2.0)
            await self.replies.close()
            await self.publisher.close()
            await self.store.close()
            await asyncio.to_thread(tracing.shutdown)
            log.info("stopped")

    async def _live(self) -> None:
        await self._open_store()
        background: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("watch store", self._watch_store),
            ("stay connected", self.publisher.stay_connected),
            ("log", self._bind_log),
            ("relay", self._run_relay),
            ("unrouted", partial(return_unrouted, self.publisher, self.name, self.metrics)),
            ("dead letters", partial(count_dead_letters, self.publisher, self.name, self.metrics)),
            ("janitor", partial(forget_old, self.store)),
        ]
        jobs = [(getattr(job, "__name__", "job"), partial(job, self)) for job in self._jobs]
        async with asyncio.TaskGroup() as group:
            consuming = group.create_task(_for_ever("consume", self.subscription.run), name="consume")
            others = [group.create_task(_for_ever(name, run), name=name) for name, run in background]
            working = [group.create_task(_for_ever(name, run), name=name) for name, run in jobs]
            try:
                await asyncio.Event().wait()
            finally:
                # Consumers first: what they have in hand still needs relay and store.
                await end([consuming], again=self.settings.shutdown_seconds + STOP_SECONDS)
                for job in working:
                    job.cancel()  # once, and awaited below, since the group would do it again: it may have to finish
                await end(others, again=1.0)
                await asyncio.gather(*working, return_exceptions=True)

    async def open_store(self) -> None:
        """Connect and make what indexes are missing. StoreError where one cannot be made; nothing else changes then."""
        try:
            await self.store.open(self.collections)
        except Duplicate as broken:
            raise StoreError(
                f"the index {broken.index} of {broken.collection} is to be unique, but documents there share a value: "
                "mend them, or go back to the version before"
            ) from broken

    async def _open_store(self) -> None:
        while True:
            try:
                await self.open_store()
                await refuse_unfinished(self.store)
            except Exception as error:
                self._store_reason = f"store: {error}"
                if isinstance(error, StoreError):
                    log.warning("store_away", error=str(error))
                else:
                    log.exception("store_cannot_be_opened")  # a driver has errors of its own for names and certificates
                await asyncio.sleep(STORE_WATCH_SECONDS / 2)
            else:
                self._store_reason = None
                return

    async def _watch_store(self) -> None:
        while True:
            try:
                await self.store.ping()
            except Exception as error:  # noqa: BLE001 - as when it was opened
                self._store_reason = f"store: {error}"
            else:
                self._store_reason = None
            await asyncio.sleep(STORE_WATCH_SECONDS)

    async def _prepare(self) -> None:
        connection = await self.publisher.connection()
        await declare(connection, self.topology)
        self._declared.set()
        await subscribe(connection, self.topology)

    async def _run_relay(self) -> None:
        # Not before the outbox is bound: what came earlier to a new broker would miss the log.
        await self._log_bound.wait()
        await self.relay.run()

    async def _bind_log(self) -> None:
        """When exchanges were declared, and now and then. Commands are taken without the log; a start's events wait."""
        await self._declared.wait()
        failures, kept = 0, KeptChannel(self.publisher.connection)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOG_LOOK_SECONDS):
                    await self._declared.wait()
            if not (self._declared.is_set() or self.publisher.connected):
                continue  # the broker is away: that is told already
            self._declared.clear()
            try:
                await bind_log(kept, self.topology)
            except (Exception, asyncio.CancelledError) as error:  # whatever it is: without the log no event is sent
                if isinstance(error, asyncio.CancelledError) and is_cancelled():
                    raise
                self.extra_reasons["log"] = f"log of events: {error!s:.200}"
                self._declared.set()
                failures += 1
                await asyncio.sleep(LOG_PAUSES[min(failures, len(LOG_PAUSES)) - 1])
            else:
                failures = 0
                self.extra_reasons.pop("log", None)
                self._log_bound.set()


def topology(
    name: str,
    consumes: Mapping[type[Event], Handler],
    publishes: Sequence[type[Event]],
    delays: Sequence[float],
) -> Topology:
    """What a service with these tables needs on the broker."""
    keys: dict[str, list[str]] = {}
    for event in consumes:
        keys.setdefault(event.service_name, []).append(event.routing_key())
    return Topology(name, keys, [e.routing_key() for e in publishes if e.optional], delays)


def tables(
    topology: Topology, commands: Mapping[type[Command], Handler], consumes: Mapping[type[Event], Handler]
) -> dict[str, dict[type[Message], Handler]]:
    """Queue -> the messages that it may bring."""
    found: dict[str, dict[type[Message], Handler]] = {
        topology.commands: {command: handler for command, handler in commands.items()}  # noqa: C416 - widens the key's type
    }
    for event, handler in consumes.items():
        found.setdefault(topology.queue_from(event.service_name), {})[event] = handler
    return found


async def _for_ever(name: str, run: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await run()
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            # Nobody cancelled it: aiormq cancels whoever waits for an answer on a connection that breaks.
            log.warning("background_interrupted", task=name)
        except Exception:
            log.exception("background_failed", task=name)
        await asyncio.sleep(JOB_PAUSE_SECONDS)
