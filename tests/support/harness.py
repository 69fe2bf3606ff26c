"""One service's handlers over a real store, without a broker: what a test sends, and what came of it."""

import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from shared.contracts.base import Command, Envelope, Event, Message, Reply
from shared.contracts.problems import Refused
from shared.messaging.executor import Executor, Handler
from shared.store.connect import connect
from shared.store.port import PENDING, Between, Collection, Document, Store, Trim
from shared.store.repository import Repository
from shared.store.work import OWN_COLLECTIONS, Pending, remember, write_beside
from tests.support.watched import Explained

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
"""The time in tests until they set another."""


class Harness:
    """Stands where the broker's consumers and the relay stand: brings messages, collects the events that come out.

    `now` is the clock and may be set. A fault that a handler raises is raised to the test, as if the process had died
    there: what it had not relayed stays in its documents until `sweep`. `served` is the store as the service has it.
    """

    def __init__(
        self,
        messages: ModuleType,
        repositories: Sequence[Repository[Any]],
        store: Store,
        context: Any,
        *,
        served: Store | None = None,
    ) -> None:
        self.service = messages.__name__.split(".")[-2]
        self.commands: Mapping[type[Command], Handler] = messages.COMMANDS
        self.consumes: Mapping[type[Event], Handler] = messages.CONSUMES
        self.repositories = repositories
        self.store = store
        self.served: Store = served or store
        self.now = NOW
        self.events: list[Envelope] = []
        self._owed: list[Pending] = []
        key: bytes = getattr(context, "address_key", b"")
        self.executor = Executor(
            self.served, self.service, self._owed.extend, lambda: self.now, context, address_key=key
        )

    async def send(self, command: Command, id: str | None = None, *, sender: str = "integrator") -> Reply:
        """Carry out a command as the consumer of `<service>.commands` does."""
        return await self.send_data(
            type(command), command.model_dump(mode="json", exclude_unset=True), id, sender=sender
        )

    async def send_data(
        self, model: type[Command], data: Document, id: str | None = None, *, sender: str = "integrator"
    ) -> Reply:
        """The same with data as it comes off the wire; what is not valid is answered with its problem."""
        try:
            return await self._run(self.commands[model], model, data, id, f"{self.service}.commands", sender=sender)
        except Refused as refusal:
            return Reply.refused(refusal.problem())

    async def feed(self, event: Event, version: int = 1, id: str | None = None) -> Reply:
        """Bring another service's event, at a version of its aggregate."""
        queue, publisher = f"{self.service}.from.{event.service_name}", event.service_name
        data = event.model_dump(mode="json")
        return await self._run(
            self.consumes[type(event)], type(event), data, id, queue, sender=publisher, version=version
        )

    async def take(self, envelope: Envelope) -> Reply:
        """Bring an event, or a command of this service, as it came off the wire."""
        known: list[tuple[type[Message], Handler]] = [*self.consumes.items(), *self.commands.items()]
        model, handler = next((m, h) for m, h in known if m.type() == envelope.type)
        sender = envelope.source.removeprefix("/")
        queue = f"{self.service}.commands" if issubclass(model, Command) else f"{self.service}.from.{sender}"
        outcome = await self.executor.run(envelope, model, handler, inbox_id=f"{queue}:{envelope.id}", sender=sender)
        await self.relayed()
        return outcome.reply

    def told[E: Event](self, model: type[E]) -> list[E]:
        """The events of one type that came out, in order."""
        return [model.model_validate(e.data) for e in self.events if e.type == model.type()]

    async def relayed(self) -> None:
        """Relay what commits left: after `send` and `feed` it has happened; for work that went another way."""
        owed = list(self._owed)
        self._owed.clear()
        for item in owed:
            self.events += [Envelope.model_validate(e) for e in item.outbox]
            pull = {"outbox": [e["id"] for e in item.outbox], "beside": item.beside, "applied": item.applied}
            await self.store.trim(Collection(item.collection), [Trim(item.id, {k: v for k, v in pull.items() if v})])

    async def sweep(self) -> None:
        """Do what a fault left undone, as the relay's sweep does after a restart."""
        self._owed.clear()
        until = self.now + timedelta(days=36_500)
        for collection in [*(r.collection for r in self.repositories), *OWN_COLLECTIONS]:
            for document in await self.store.find(collection, {PENDING: Between(at_most=until)}, limit=10_000):
                beside, applied = document.get("beside", []), document.get("applied", [])
                await write_beside(self.store, beside)
                await remember(self.store, applied)
                ids = [e["id"] for e in beside], [e["id"] for e in applied]
                self._owed.append(Pending(collection.name, document["_id"], document.get("outbox", []), *ids))
        await self.relayed()

    async def dump(self, *repositories: Repository[Any]) -> dict[str, list[Document]]:
        """Every document of the given collections (all, if none is given): to compare two stores."""
        chosen = repositories or self.repositories
        return {r.name: [d async for d in self.store.everything(r.collection)] for r in chosen}

    async def _run(
        self,
        handler: Handler,
        model: type[Message],
        data: Document,
        id: str | None,
        queue: str,
        *,
        sender: str,
        version: int | None = None,
    ) -> Reply:
        name = id or str(uuid.uuid4())
        envelope = Envelope(
            id=name, source=f"/{sender}", type=model.type(), time=self.now, data=data, aggregateversion=version
        )
        outcome = await self.executor.run(envelope, model, handler, inbox_id=f"{queue}:{name}", sender=sender)
        await self.relayed()
        return outcome.reply


@asynccontextmanager
async def harness(
    messages: ModuleType,
    repositories: Sequence[Repository[Any]],
    context: Any = None,
    *,
    wrap: Callable[[Store], Any] = lambda store: store,
) -> AsyncIterator[Harness]:
    """A harness over a fresh SQLite store of its own, where the service's queries must all use their indexes.

    `wrap` may put something between the service and its store.
    """
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'store.db'}"
        async with opened(url, messages, repositories, context, wrap=wrap, serve=Explained) as running:
            yield running


@asynccontextmanager
async def opened(
    url: str,
    messages: ModuleType,
    repositories: Sequence[Repository[Any]],
    context: Any = None,
    *,
    wrap: Callable[[Store], Any] = lambda store: store,
    serve: Callable[[Store, Store], Any] = lambda wrapped, _: wrapped,
) -> AsyncIterator[Harness]:
    """The same over a store that may be there already. `serve` makes what the service alone has of the wrapped store
    and the plain one.
    """
    store = connect(url)
    await store.open([*(r.collection for r in repositories), *OWN_COLLECTIONS])
    try:
        wrapped = wrap(store)
        yield Harness(messages, repositories, wrapped, context, served=serve(wrapped, store))
    finally:
        await store.close()


def done(reply: Reply) -> dict[str, Any]:
    """The result of a command that was carried out."""
    assert reply.ok, reply.problem
    assert reply.result is not None
    return reply.result


def refused(reply: Reply, status: int) -> dict[str, str]:
    """The fields that the problem names, and what it says of them."""
    assert reply.problem is not None, reply.result
    assert reply.problem.status == status, reply.problem
    return {error.field: error.message for error in reply.problem.errors}
