"""What the writer's thread does to documents; each function runs within one savepoint and undoes nothing itself."""

# ruff: noqa: S608 - SQL is put together from quoted names; values are always parameters
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from shared.store.codec import dumps, loads
from shared.store.errors import BadValue, Duplicate, Stale, StoreError
from shared.store.port import PENDING, PENDING_LISTS, Document, Put, Trim
from shared.store.sqlite import reading
from shared.store.sqlite.planning import Plan
from shared.store.sqlite.schema import Table
from shared.store.values import check_size

_SURELY_SMALL = 2_000_000
"""Characters of JSON that are under 16 MiB of BSON whatever they say: at worst `0,` becomes 13 bytes of an array."""


def insert(connection: sqlite3.Connection, table: Table, document: Document, text: str) -> None:
    """One new document; `text` is its JSON."""
    row = _insert(connection, table, document, text)
    if row is None:
        raise Duplicate(table.collection, "_id")
    table.write_entries(connection, row, None, document)


def insert_many(connection: sqlite3.Connection, table: Table, documents: Sequence[tuple[Document, str]]) -> list[str]:
    """New documents; the ids of those left out."""
    left_out = []
    for document, text in documents:
        try:
            with _savepoint(connection, table):
                insert(connection, table, document, text)
        except Duplicate:
            left_out.append(document["_id"])
    return left_out


def save(  # noqa: PLR0917 - as the port's
    connection: sqlite3.Connection,
    table: Table,
    id: str,
    version: int,
    fields: Document,
    push: Mapping[str, Sequence[Document]],
) -> None:
    """Set fields and append to arrays of a document that is at a version."""
    found = _load(connection, table, id)
    if found is None or found[1].get("version") != version:
        raise Stale(f"{table.collection}: {id!r} is not at version {version}")
    _replace(connection, table, *found, _pushed(found[1], fields, push))


def put(connection: sqlite3.Connection, table: Table, puts: Sequence[Put]) -> list[bool]:
    """Keyed writes; for each, whether it took effect."""
    return [_put(connection, table, put) for put in puts]


def trim(connection: sqlite3.Connection, table: Table, trims: Sequence[Trim]) -> None:
    """Take elements out of reserved arrays."""
    for each in trims:
        if found := _load(connection, table, each.id):
            _replace(connection, table, *found, _trimmed(found[1], each.pull))


def update(connection: sqlite3.Connection, plan: Plan, set: Document, increment: Document) -> Document | None:
    """Set and increment dotted paths of one document that fits."""
    for old in list(reading.every(connection, plan, 1)):
        new = _changed(old, set, increment)
        _replace(connection, plan.table, _row(connection, plan.table, old["_id"]), old, new)
        return new
    return None


def claim(connection: sqlite3.Connection, plan: Plan, lease: Document, limit: int) -> list[Document]:
    """Lease the first documents of the plan."""
    claimed = []
    for old in reading.find(connection, plan, None, limit):
        new = _changed(old, lease, {})
        _replace(connection, plan.table, _row(connection, plan.table, old["_id"]), old, new)
        claimed.append(new)
    return claimed


def delete(connection: sqlite3.Connection, plan: Plan, limit: int) -> int:
    """Remove up to so many documents that fit."""
    gone = list(reading.every(connection, plan, limit))
    for document in gone:
        plan.table.drop_entries(connection, document)
        connection.execute(f"DELETE FROM {plan.table.name} WHERE _id = ?", (document["_id"],))
    return len(gone)


def _pushed(old: Document, fields: Document, push: Mapping[str, Sequence[Document]]) -> Document:
    """The document with fields set and elements appended."""
    new = {**old, **fields}
    if PENDING in fields and PENDING in old:
        new[PENDING] = min(old[PENDING], fields[PENDING])
    for name, elements in push.items():
        before = old.get(name, [])
        if not isinstance(before, list):
            raise BadValue(f"{name}: is no array")
        new[name] = [*before, *elements]
    return new


def _changed(old: Document, set: Document, increment: Document) -> Document:
    """The document with dotted paths set and incremented."""
    new = old
    for path, value in set.items():
        new = _at(new, path.split("."), lambda _, value: value, value)
    for path, by in increment.items():
        new = _at(new, path.split("."), _sum, by)
    return new


def _put(connection: sqlite3.Connection, table: Table, put: Put) -> bool:
    try:
        with _savepoint(connection, table):
            return _inserted(connection, table, put) or _replaced(connection, table, put)
    except Duplicate:
        return False


def _inserted(connection: sqlite3.Connection, table: Table, put: Put) -> bool:
    document = _pushed({"_id": put.id}, put.fields, put.push)
    row = _insert(connection, table, document, _text(document))
    if row is not None:
        table.write_entries(connection, row, None, document)
    return row is not None


def _replaced(connection: sqlite3.Connection, table: Table, put: Put) -> bool:
    found = _load(connection, table, put.id)
    assert found is not None, "its id is taken"  # noqa: S101
    version = found[1].get("version")
    if not isinstance(version, int | float) or version >= put.fields["version"]:
        return False
    _replace(connection, table, *found, _pushed(found[1], put.fields, put.push))
    return True


@contextmanager
def _savepoint(connection: sqlite3.Connection, table: Table) -> Iterator[None]:
    """Undoes what was written where a unique key is taken. Where there is none to be taken nothing is begun."""
    if not table.has_unique:
        yield
        return
    connection.execute("SAVEPOINT one")
    try:
        yield
    except StoreError:
        connection.execute("ROLLBACK TO one")
        raise
    finally:
        if connection.in_transaction:
            connection.execute("RELEASE one")


def _insert(connection: sqlite3.Connection, table: Table, document: Document, text: str) -> int | None:
    """The row that it got; None where its id is taken."""
    written = connection.execute(
        f"INSERT INTO {table.name} (_id, version, doc) VALUES (?, ?, ?) ON CONFLICT (_id) DO NOTHING",
        (document["_id"], _version(document), text),
    )
    return written.lastrowid if written.rowcount else None


def _load(connection: sqlite3.Connection, table: Table, id: str) -> tuple[int, Document] | None:
    found = connection.execute(f"SELECT row, doc FROM {table.name} WHERE _id = ?", (id,)).fetchone()
    return found and (found[0], loads(found[1]))


def _row(connection: sqlite3.Connection, table: Table, id: str) -> int:
    return int(connection.execute(f"SELECT row FROM {table.name} WHERE _id = ?", (id,)).fetchone()[0])


def _replace(connection: sqlite3.Connection, table: Table, row: int, old: Document, new: Document) -> None:
    connection.execute(f"UPDATE {table.name} SET version = ?, doc = ? WHERE row = ?", (_version(new), _text(new), row))
    table.write_entries(connection, row, old, new)


def _text(document: Document) -> str:
    text = dumps(document)
    if len(text) > _SURELY_SMALL:
        check_size(document)
    return text


def _version(document: Document) -> int | None:
    version = document.get("version")
    return version if isinstance(version, int) else None


def _trimmed(old: Document, pull: Mapping[str, Sequence[str]]) -> Document:
    new = dict(old)
    for name, ids in pull.items():
        if name in new:
            new[name] = [element for element in new[name] if element.get("id") not in ids]
    if not any(new.get(name) for name in PENDING_LISTS):
        new.pop(PENDING, None)
    return new


def _at(document: Document, path: list[str], change: Callable[[Any, Any], Any], value: Any) -> Document:
    """A copy, changed at the path; what lies beside it is shared with the old one."""
    name, *rest = path
    if not rest:
        return {**document, name: change(document.get(name, 0), value)}
    inner = document.get(name, {})
    if not isinstance(inner, dict):
        raise BadValue(f"{name}: holds no fields")
    return {**document, name: _at(inner, rest, change, value)}


def _sum(number: Any, by: float) -> int | float:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise BadValue("what is incremented is no number")
    total = number + by
    if isinstance(total, int) and not -(2**63) <= total < 2**63:
        raise BadValue("an integer beyond 64 bits")
    return total
