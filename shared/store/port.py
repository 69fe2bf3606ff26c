"""The vocabulary of every store. No other code knows a driver; what MongoDB does is what counts.

A document is a JSON-like dict with `_id` (str) and `version` (int); values may also be UTC datetimes (kept to the
millisecond, given back aware) and bytes; integers fit 64 bits; tuples come back as lists.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from shared.store.errors import Unavailable, Undeclared

Document = dict[str, Any]

PENDING = "pending_since"
"""Since when a document has something to relay: writes that push give their time, of which the earliest stays until the
trim that empties the lists. So a document that is written all the time looks as old as what was left in it.
"""

FORMAT = "format"
"""The format of an aggregate's document (see `Repository`); 1 where it is missing."""

PENDING_LISTS = ("outbox", "applied", "beside")
"""The reserved arrays of an aggregate's document; each element is a dict with an `id`."""


@dataclass(frozen=True)
class Index:
    """Fields in order, dots for nested ones. Unique: documents that lack one of the fields, or hold null, are free.

    The last field may be an array: then each element is indexed (for `Has`).
    """

    fields: tuple[str, ...]
    unique: bool = False

    @property
    def name(self) -> str:
        """The fields joined by `+`."""
        return "+".join(self.fields)


RELAYED = Index((PENDING,))
"""What the outbox sweep uses."""


@dataclass(frozen=True)
class Collection:
    """A named set of documents with its indexes. Those on `pending_since` and on `_id` come by themselves.

    The one on `pending_since` answers only for times: it need not hold the documents that have nothing to relay.
    """

    name: str
    indexes: tuple[Index, ...] = field(default=())

    @property
    def all_indexes(self) -> tuple[Index, ...]:
        """The declared ones and the one that the outbox sweep uses."""
        return (*self.indexes, RELAYED)


@dataclass(frozen=True)
class In:
    """The field equals one of the values."""

    values: Sequence[Any]


@dataclass(frozen=True)
class Has:
    """The array field holds the value (or the field is the value). An array of objects has its dotted fields."""

    value: Any


@dataclass(frozen=True)
class Between:
    """The field is of the bounds' type and within them; None leaves a side open, at least one is given.

    For fields that hold no arrays.
    """

    at_least: Any = None
    above: Any = None
    at_most: Any = None
    below: Any = None


Where = Mapping[str, Any]
"""Field -> In, Has, Between, or a plain value that it equals (None: null or missing). All must hold."""


@dataclass(frozen=True)
class Put:
    """A keyed write: the document is inserted, or its fields set where the stored version is lower."""

    id: str
    fields: Document
    push: Mapping[str, Sequence[Document]] = field(default_factory=dict)


@dataclass(frozen=True)
class Follow:
    """Keyed writes that follow from another write, and may be done again without harm."""

    collection: Collection
    puts: Sequence[Put]


@dataclass(frozen=True)
class Trim:
    """Elements to take out of a document's reserved arrays, by their ids."""

    id: str
    pull: Mapping[str, Sequence[str]]


class Snapshot(Protocol):
    """What stood in a store at one moment, whatever is written meanwhile; `single_moment` is False where the server
    cannot give that (a MongoDB without replica set): then it is what stands there while it is read.
    """

    @property
    def single_moment(self) -> bool:
        """Whether all that is read is of one moment."""

    def everything(self, collection: Collection) -> AsyncIterator[Document]:
        """All documents by `_id`."""

    def files(self) -> AsyncIterator[tuple[str, bytes, Document]]:
        """All files by name, with content and metadata."""


class Store(Protocol):
    """A service's own store. Every method raises Unavailable when it cannot be reached.

    A write that returned is durable: it survives kill -9 of the process and of the store.
    """

    async def open(self, collections: Sequence[Collection]) -> None:
        """Connect and create what indexes are missing; existing documents come into new indexes.

        From then on a collection is known by its name: the declaration given here counts in every later call.
        """

    async def close(self) -> None:
        """Let go of connections and files."""

    async def ping(self) -> None:
        """Return if the store answers and can write; else Unavailable."""

    async def insert(self, collection: Collection, document: Document, *, follow: Sequence[Follow] = ()) -> None:
        """Add one document. Duplicate where the id or a unique key is taken. `follow`: as by `save`."""

    async def insert_many(self, collection: Collection, documents: Sequence[Document]) -> list[str]:
        """Add many, unordered. Those whose id or unique key is taken are left out and do not stop the rest.

        Returns the ids of those left out.
        """

    async def get(self, collection: Collection, id: str) -> Document | None:
        """One document by id."""

    async def get_many(self, collection: Collection, ids: Sequence[str]) -> dict[str, Document]:
        """Those of the ids that exist."""

    async def find(
        self,
        collection: Collection,
        where: Where,
        *,
        order: str | None = None,
        after: Document | None = None,
        limit: int = 100,
    ) -> list[Document]:
        """Documents that fit, by `order` (a field, `-` in front for descending), ties by `_id` in the same direction;
        without order by `_id`. `after` is the last document of the page before. Undeclared where no index serves the
        query. A field to order by holds no arrays.
        """

    async def save(
        self,
        collection: Collection,
        id: str,
        fields: Document,
        *,
        version: int,
        push: Mapping[str, Sequence[Document]],
        follow: Sequence[Follow] = (),
    ) -> None:
        """Set the fields and append to the arrays in one write, if the stored version is `version`.

        `fields` carries the new version; an earlier `pending_since` in the document stays. Stale where the
        document is missing or at another version, Duplicate where a unique key is taken.

        `follow` is written after it, in order, if it took effect. A store that can does all of it at once; with another
        one a fault may leave what follows undone, so what is to follow has to stand in the document too.
        """

    async def put(self, collection: Collection, puts: Sequence[Put]) -> list[bool]:
        """Keyed writes in bulk; for each, whether it took effect. A taken unique key counts as no effect.

        An earlier `pending_since` in the document stays, as by `save`.
        """

    async def trim(self, collection: Collection, trims: Sequence[Trim]) -> None:
        """Take elements out of reserved arrays; where all of them are empty then, unset `pending_since`.

        The version stays. A document that is not there is nothing to do.
        """

    async def update(
        self,
        collection: Collection,
        where: Where,
        *,
        set: Document | None = None,
        increment: Mapping[str, int | float] | None = None,
    ) -> Document | None:
        """Set and increment one document that fits `where` (a missing number counts as 0).

        Returns the document after it, or None where none fits. Which one, where several fit, is open. Dots lead to
        nested fields. `where` names `_id` or is served by an index; with `_id` further conditions may stand on any
        field.
        """

    async def claim(
        self, collection: Collection, where: Where, *, due: str, now: datetime, until: datetime, by: str, limit: int
    ) -> list[Document]:
        """Take up to `limit` documents that fit and whose datetime `due` is not after `now`, earliest first: each gets
        `due` = `until` and `claimed_by` = `by` in one conditional write, so that nobody else gets it before `until`.
        The documents are returned as they are after the write. Served by an index over the where fields, then `due`.
        """

    async def count(self, collection: Collection, where: Where) -> int:
        """How many fit."""

    async def tally(self, collection: Collection, field: str, where: Where) -> dict[Any, int]:
        """Value of the field -> how many that fit have it."""

    async def delete(self, collection: Collection, where: Where) -> int:
        """Remove what fits (`_id` or an indexed condition); how many were removed."""

    async def write_file(self, name: str, content: bytes, metadata: Document) -> None:
        """Keep a file whole under a name; one that was there is replaced at once or not at all."""

    async def read_file(self, name: str) -> tuple[bytes, Document] | None:
        """A file's content and metadata."""

    async def delete_file(self, name: str) -> bool:
        """Remove a file; whether it was there."""

    async def shred(self) -> None:
        """What was deleted or replaced leaves the store's files too, as far as it can be made to: SQLite writes its
        file anew, without it; MongoDB uses its place again when it needs it, and has no means to hurry that.
        """

    async def explain(self, collection: Collection, where: Where, order: str | None = None) -> str:
        """The query plan of `find` as text that names the index used."""

    def everything(self, collection: Collection) -> AsyncIterator[Document]:
        """All documents by `_id`, in pages: for comparison and migration."""

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """What stands in the store now: for backup."""


def declared(opened: Mapping[str, Collection], collection: Collection) -> Collection:
    """The collection as it was declared at `open`; a caller that has only its name gets its indexes all the same."""
    if found := opened.get(collection.name):
        return found
    if not opened:
        raise Unavailable("the store is not open yet")
    raise Undeclared(f"{collection.name} is not among the collections that the store was opened with")


def serving_index(collection: Collection, where: Where, order: str | None = None) -> Index | None:
    """The index that serves a query, None where `_id` does. Undeclared where there is none.

    Conditions other than Between come first in the index, in any order; then the field of Between or order. Of several
    that do, the one with the fewest fields: behind them, documents stand by `_id`.
    """
    ordered = (order or "").removeprefix("-")
    last = {f for f, c in where.items() if isinstance(c, Between)} | (
        {ordered} if ordered not in ("", "_id") else set()
    )
    first = {f for f in where if f not in last}
    if first <= {"_id"} and last <= {"_id"}:
        return None
    for index in sorted(collection.all_indexes, key=lambda index: len(index.fields)):
        if index == RELAYED and not isinstance(where.get(PENDING), Between | datetime):
            continue
        if (
            len(last) <= 1
            and set(index.fields[: len(first)]) == first
            and index.fields[len(first) :][: len(last)] == tuple(last)
        ):
            return index
    if "_id" in where:
        return None
    raise Undeclared(
        f"{collection.name}: no declared index serves {sorted(first)} then {sorted(last)}; "
        f"declared: {[i.name for i in collection.all_indexes]}"
    )
