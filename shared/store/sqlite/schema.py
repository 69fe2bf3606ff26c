"""Tables: one of documents for each collection, and one for each index with the keys of the documents.

    "c/<collection>"            row, _id, version, doc (JSON text)
    "i/<collection>/<fields>"   key (the fields' keys, then the id), row; a `!` at the end where the fields are unique
    indexes                     which index tables there are; files; ping

An index that is in the file is kept up to date whether or not it is declared now, as MongoDB does.
"""

# ruff: noqa: S608 - SQL is put together from quoted names; values are always parameters
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from shared.store.codec import loads
from shared.store.errors import Duplicate
from shared.store.port import RELAYED, Collection, Document, Index
from shared.store.sqlite import keys

_BASE = """
CREATE TABLE IF NOT EXISTS indexes (collection TEXT, fields TEXT, uniq INTEGER, PRIMARY KEY (collection, fields, uniq));
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, content BLOB NOT NULL, metadata TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ping (one INTEGER PRIMARY KEY, at TEXT)
"""


@dataclass(frozen=True)
class IndexTable:
    """One index of a collection."""

    collection: str
    index: Index

    @cached_property
    def name(self) -> str:
        """Quoted for SQL."""
        return quoted(f"i/{self.collection}/{self.index.name}{'!' if self.index.unique else ''}")

    @cached_property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        """The fields, each as its names."""
        return tuple(tuple(field.split(".")) for field in self.index.fields)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The document's own fields that it looks into."""
        return tuple({path[0]: None for path in self.paths})

    def entries(self, document: Document) -> dict[bytes, bytes]:
        """Key -> the part of it that must be unique, empty where the document is free."""
        tail = document["_id"].encode()
        found = {}
        for parts in keys.entries(document, self.paths):
            joined = b"".join(parts)
            bound = self.index.unique and keys.NULL not in parts and keys.EMPTY not in parts
            found[joined + tail] = joined if bound else b""
        return found

    def held(self, found: Iterable[bytes]) -> Iterable[bytes]:
        """The keys that are written. Almost no document waits for the relay: an entry for each of the others would be
        a page more to write with every one of them.
        """
        return found if self.index != RELAYED else (key for key in found if not key.startswith(keys.NULL))


@dataclass(frozen=True)
class Table:
    """A collection as it is in the file."""

    collection: str
    indexes: tuple[IndexTable, ...]

    @cached_property
    def name(self) -> str:
        """Quoted for SQL."""
        return quoted(f"c/{self.collection}")

    @cached_property
    def has_unique(self) -> bool:
        """Whether a write can find a key taken."""
        return any(table.index.unique for table in self.indexes)

    def write_entries(self, connection: sqlite3.Connection, row: int, old: Document | None, new: Document) -> None:
        """Bring the index tables from the old document to the new one. Duplicate where a unique key is taken."""
        for table in self.indexes:
            if old and all(_same(old.get(name), new.get(name)) for name in table.names):
                continue  # most writes change few fields, and keys are dear to make
            before = table.entries(old) if old else {}
            after = table.entries(new)
            if before.keys() == after.keys():
                continue
            _delete(connection, table, before.keys() - after.keys())
            for key in table.held(after.keys() - before.keys()):
                _insert(connection, table, key, after[key], row)

    def drop_entries(self, connection: sqlite3.Connection, old: Document) -> None:
        """Take a document out of the index tables."""
        for table in self.indexes:
            _delete(connection, table, table.entries(old).keys())


def _same(a: Any, b: Any) -> bool:
    """Surely alike, as 1, 1.0 and True are not."""
    return a is b or (type(a) is type(b) and isinstance(a, str | int | datetime) and a == b)


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def make(connection: sqlite3.Connection, collections: Sequence[Collection]) -> None:
    """Make what is missing, and fill new indexes. Duplicate where what is there breaks a new unique index."""
    for statement in _BASE.split(";"):
        connection.execute(statement)
    for collection in collections:
        name = quoted(f"c/{collection.name}")
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {name} "
            "(row INTEGER PRIMARY KEY, _id TEXT NOT NULL UNIQUE, version INTEGER, doc TEXT NOT NULL)"
        )
        for index in collection.all_indexes:
            new = connection.execute(
                "INSERT OR IGNORE INTO indexes VALUES (?, ?, ?)", (collection.name, index.name, index.unique)
            )
            table = IndexTable(collection.name, index)
            if new.rowcount:
                _fill(connection, name, table)
            elif index == RELAYED:  # an earlier version of this program wrote them, or still does beside this one
                connection.execute(f"DELETE FROM {table.name} WHERE key < ?", (keys.NULL + keys.END,))


def tables(connection: sqlite3.Connection) -> dict[str, Table]:
    """What the file has, by collection."""
    found: dict[str, list[IndexTable]] = {}
    rows = connection.execute("SELECT collection, fields, uniq FROM indexes ORDER BY 1, 2, 3")
    for collection, fields, unique in rows:
        found.setdefault(collection, []).append(IndexTable(collection, Index(tuple(fields.split("+")), bool(unique))))
    return {collection: Table(collection, tuple(indexes)) for collection, indexes in found.items()}


def _fill(connection: sqlite3.Connection, documents: str, table: IndexTable) -> None:
    connection.execute(f"CREATE TABLE {table.name} (key BLOB PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID")
    for row, document in _all(connection, documents):
        found = table.entries(document)
        for key in table.held(found):
            _insert(connection, table, key, found[key], row)


def _all(connection: sqlite3.Connection, documents: str) -> Iterator[tuple[int, Document]]:
    for row, text in connection.execute(f"SELECT row, doc FROM {documents}"):
        yield row, loads(text)


def _insert(connection: sqlite3.Connection, table: IndexTable, key: bytes, bound: bytes, row: int) -> None:
    if bound:
        taken = connection.execute(
            f"SELECT 1 FROM {table.name} WHERE key >= ? AND key < ? AND row <> ?", (bound, bound + keys.END, row)
        )
        if taken.fetchone():
            raise Duplicate(table.collection, table.index.name)
    connection.execute(f"INSERT INTO {table.name} VALUES (?, ?)", (key, row))


def _delete(connection: sqlite3.Connection, table: IndexTable, gone: Iterable[bytes]) -> None:
    connection.executemany(f"DELETE FROM {table.name} WHERE key = ?", [(key,) for key in gone])
