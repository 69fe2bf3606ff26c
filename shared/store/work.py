"""The unit of work of one message: what its handler loads, decides and saves.

The state, the events not yet sent, the documents beside it and the ids of messages lately applied stand in one
document and are written by one conditional write (ADR 1). What is done after that write can be done again from
the document alone: by this process, by the next message of the same aggregate, or by the sweep after a crash.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.contracts.aggregate import Aggregate
from shared.contracts.base import Envelope, Event, derived_id
from shared.store.port import PENDING, Collection, Document, Follow, Index, Put, Store, Where
from shared.store.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.persons.erased import ErasedList

INBOX = Collection("inbox", indexes=(Index(("at",)),))
"""Messages that were handled: `_id` is queue and message id; holds the reply, the digest of the message and when."""

ERASED = Collection("erased", indexes=(Index(("at",)),))
"""Persons who were erased, by keyed id, and when (shared.persons.erased)."""

OWN_COLLECTIONS = (INBOX, ERASED)
"""What every service keeps besides its aggregates."""


class Applied(Exception):
    """The message was applied before; `entry` is what its first time left (reply and digest)."""

    def __init__(self, entry: Document) -> None:
        super().__init__(f"{entry['id']} was applied before")
        self.entry = entry


@dataclass
class Pending:
    """What a written document still has to tell: for the relay."""

    collection: str
    id: str
    outbox: list[Document] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    applied: list[str] = field(default_factory=list)


@dataclass
class Staged:
    """What a unit of work is to write."""

    repository: Repository[Any]
    aggregate: Aggregate
    outbox: list[Document]
    beside: list[Document]


class Written:
    """Ids of what this process wrote beside aggregates lately. It stands in their documents until the relay has taken
    it out, and who loads them in between need not write it again.
    """

    MOST = 10_000

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def add(self, entries: Sequence[Document]) -> None:
        """These are in the store."""
        self._ids |= dict.fromkeys(entry["id"] for entry in entries)
        while len(self._ids) > self.MOST:
            del self._ids[next(iter(self._ids))]

    def missing(self, entries: Sequence[Document]) -> list[Document]:
        """Those of which that is not known."""
        return [entry for entry in entries if entry["id"] not in self._ids]


@dataclass
class Group:
    """What units of work share that are decided together, one after another, on what was loaded once."""

    written: Written = field(default_factory=Written)
    inbox_ids: set[str] = field(default_factory=set)
    owed: dict[tuple[str, str], int] = field(default_factory=dict)
    """Collection and id -> events that the document owed when it was loaded."""


class Work:
    """One message's unit of work. Handlers get it; they call `get`, `find`, `put` and at most one `save`.

    `now` is the time that everything in it happens at, `context` what the service gives its handlers (settings, keys),
    `sender` the broker user that sent the message, or the service itself.
    """

    def __init__(
        self,
        store: Store,
        service: str,
        message: Envelope,
        now: datetime,
        *,
        sender: str = "",
        inbox_id: str = "",
        context: Any = None,
        erased: "ErasedList | None" = None,
        act: "Callable[..., Any] | None" = None,
        group: Group | None = None,
    ) -> None:
        self.store = store
        self._erased = erased
        self._act = act
        self.service = service
        self.message = message
        self.now = now
        self.sender = sender
        self.context = context
        self.inbox_id = inbox_id or message.id
        self.pending: list[Pending] = []
        self.staged: Staged | None = None
        self.group = group or Group()
        self.group.inbox_ids.add(self.inbox_id)

    @property
    def erased(self) -> "ErasedList":
        """Who was erased."""
        assert self._erased is not None, "given to handlers"  # noqa: S101
        return self._erased

    async def act(self, id: str, step: "Callable[[Work], Any]", **how: Any) -> None:
        """Do a step as a unit of work of its own (see `Executor.act`); a message may need many of them."""
        assert self._act is not None, "given to handlers"  # noqa: S101
        await self._act(id, step, **how)

    def new_id(self, *parts: object) -> str:
        """An id that is the same when the same message is handled again; parts tell several apart."""
        return derived_id(self.service, self.inbox_id, *parts)

    async def get[A: Aggregate](self, repository: Repository[A], id: str) -> A | None:
        """An aggregate by id. What its document still owes to documents beside it is written first, unless this process
        has written it already.
        """
        document = await self.store.get(repository.collection, id)
        if document is None:
            return None
        beside = self.group.written.missing(document.get("beside", ()))
        await write_beside(self.store, beside)
        self.group.written.add(beside)
        end_if_applied(self.group, document)
        return self._loaded(repository, document)

    async def find[A: Aggregate](
        self,
        repository: Repository[A],
        where: Where,
        *,
        order: str | None = None,
        after: A | None = None,
        limit: int = 100,
    ) -> list[A]:
        """Aggregates that fit, in order; `after` is the last of the page before. See `Store.find`."""
        last = {"_id": after.id, **after.model_dump(mode="python", exclude={"id"})} if after else None
        found = await self.store.find(repository.collection, where, order=order, after=last, limit=limit)
        return [self._loaded(repository, document) for document in found]

    async def put[A: Aggregate](self, repository: Repository[A], *writes: A | tuple[A, Sequence[Event]]) -> list[bool]:
        """Write at once, keyed: an aggregate is inserted, or replaced where the stored version is lower than its own.

        For what may be done again without harm: copies of other services' data at their version, documents whose id
        comes from `new_id`. Events go out only if the write took effect. Returns for each whether it did.
        """
        puts, pendings = [], []
        for write in writes:
            aggregate, events = write if isinstance(write, tuple) else (write, ())
            outbox = self._envelopes(events, {aggregate.id: aggregate.version}, aggregate.version)
            fields = repository.to_fields(aggregate, aggregate.version) | ({PENDING: self.now} if outbox else {})
            puts.append(Put(aggregate.id, fields, {"outbox": outbox}))
            pendings.append(Pending(repository.name, aggregate.id, outbox))
        done = await self.store.put(repository.collection, puts) if puts else []
        self.pending += [p for p, took in zip(pendings, done, strict=True) if took and p.outbox]
        return done

    def save[A: Aggregate, B: Aggregate](
        self,
        repository: Repository[A],
        aggregate: A,
        events: Sequence[Event] = (),
        *,
        beside: Sequence[tuple[Repository[B], B]] = (),
    ) -> None:
        """Stage the one conditional write: the aggregate (as loaded, version unchanged; 0 when new), its events, and
        documents beside it that follow from it. It happens after the handler returned; if somebody else was faster the
        handler runs again from the start. A conflict of ids or unique keys counts as that too. A document that owes
        too much is not written: Backlog.
        """
        if self.staged is not None:
            raise RuntimeError("a message saves one aggregate; write others with put, or beside it")
        versions = {b.id: b.version + 1 for _, b in beside}
        outbox = self._envelopes(events, versions, aggregate.version + 1)
        writes = [
            {
                "id": self.new_id("beside", b.id, b.version),
                "collection": r.name,
                "_id": b.id,
                "fields": r.to_fields(b, b.version + 1),
            }
            for r, b in beside
        ]
        self.staged = Staged(repository, aggregate, outbox, writes)

    def _loaded[A: Aggregate](self, repository: Repository[A], document: Document) -> A:
        self.group.owed[repository.name, document["_id"]] = len(document.get("outbox", ()))
        return repository.to_aggregate(document)

    def _envelopes(self, events: Sequence[Event], versions: Mapping[str, int], version: int) -> list[Document]:
        return [self._envelope(event, versions.get(event.subject, version)) for event in events]

    def _envelope(self, event: Event, version: int) -> Document:
        return Envelope(
            id=self.new_id(event.type(), event.subject, version),
            source=f"/{self.service}",
            type=event.type(),
            subject=event.subject,
            time=self.now,
            data=event.model_dump(mode="json"),
            aggregateversion=version,
            correlationid=self.message.correlationid or self.message.id,
            causationid=self.message.id,
            traceparent=self.message.traceparent,
        ).model_dump(mode="json", exclude_none=True)


def end_if_applied(group: Group, document: Document) -> None:
    """Applied where the document was written by one of the group's messages."""
    for entry in document.get("applied", ()):
        if entry["id"] in group.inbox_ids:
            raise Applied(entry)


async def write_beside(store: Store, entries: Sequence[Document]) -> None:
    """Write the documents that stand beside an aggregate; doing it again changes nothing."""
    for each in beside_writes(entries):
        await store.put(each.collection, each.puts)


async def remember(store: Store, entries: Sequence[Document]) -> list[str]:
    """Keep inbox entries; one that is there stays as it is. Returns the ids of those."""
    return await store.insert_many(INBOX, [{"_id": e["id"], "version": 1, **e} for e in entries]) if entries else []


async def remembered(store: Store, ids: Sequence[str]) -> Mapping[str, Document]:
    """The inbox entries that there are."""
    return await store.get_many(INBOX, ids) if ids else {}


def beside_writes(entries: Sequence[Document]) -> list[Follow]:
    """The keyed writes of what stands beside an aggregate."""
    by_collection: dict[str, list[Put]] = {}
    for entry in entries:
        by_collection.setdefault(entry["collection"], []).append(Put(entry["_id"], entry["fields"]))
    return [Follow(Collection(name), puts) for name, puts in by_collection.items()]
