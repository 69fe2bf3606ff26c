"""What the reader's thread does: pages, counts, tallies. What an index does not give in order is sorted."""

# ruff: noqa: S608 - SQL is put together from quoted names; values are always parameters
import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from shared.store.codec import loads
from shared.store.errors import BadValue
from shared.store.order import Order, Position
from shared.store.port import Between, Document, Has, In
from shared.store.sqlite import keys
from shared.store.sqlite.planning import Plan, Range, Span, fits

_IDS_AT_ONCE = 1000


def find(connection: sqlite3.Connection, plan: Plan, after: Position | None, limit: int) -> list[Document]:
    """The documents of one page."""
    if limit < 1:
        return []
    if plan.index is None:
        return _by_id(connection, plan, after, limit)
    if plan.in_order:
        return _in_order(connection, plan, after, limit)
    if plan.order.field:
        return _sorted((loads(text) for text in _texts(connection, plan)), plan.order, after, limit)
    beyond = _beyond(plan.order, after)
    rows, parameters = _rows(plan)
    sql = f"SELECT doc FROM {plan.table.name} WHERE row IN ({rows}) {beyond} ORDER BY _id {_way(plan.order)} LIMIT ?"
    return [loads(text) for (text,) in connection.execute(sql, (*parameters, *_id(after), limit))]


def every(connection: sqlite3.Connection, plan: Plan, limit: int = -1) -> Iterator[Document]:
    """All documents that fit, or so many of them, in no order."""
    if plan.index is None:
        return itertools.islice(_fitting(connection, plan, None), None if limit < 0 else limit)
    return (loads(text) for text in _texts(connection, plan, limit))


def count(connection: sqlite3.Connection, plan: Plan) -> int:
    """How many fit."""
    if not plan.where:
        return int(connection.execute(f"SELECT COUNT(*) FROM {plan.table.name}").fetchone()[0])
    if plan.index is None:
        return sum(1 for _ in _fitting(connection, plan, None))
    rows, parameters = _rows(plan)
    return int(connection.execute(f"SELECT COUNT(DISTINCT row) FROM ({rows})", parameters).fetchone()[0])


def tally(connection: sqlite3.Connection, plan: Plan, field: str) -> dict[Any, int]:
    """Value of the field -> how many."""
    counted: dict[bytes, tuple[Any, int]] = {}
    for value, number in _groups(connection, plan, field):
        if isinstance(value, dict | list):
            raise BadValue(f"{field}: what is tallied is a single value")
        key = keys.key(value)
        first, before = counted.get(key, (value, 0))
        counted[key] = (first, before + number)
    return dict(counted.values())


def explain(connection: sqlite3.Connection, plan: Plan) -> str:
    """SQLite's own plan of what `find` runs."""
    seen: list[str] = []
    connection.set_trace_callback(seen.append)
    find(connection, plan, None, 1)
    connection.set_trace_callback(None)
    steps = (step[3] for sql in seen[:1] for step in connection.execute(f"EXPLAIN QUERY PLAN {sql}"))
    return "\n".join(steps)


def _in_order(connection: sqlite3.Connection, plan: Plan, after: Position | None, limit: int) -> list[Document]:
    assert plan.index is not None  # noqa: S101 - for mypy
    sql = (
        f"SELECT key, {plan.index.name}.row, doc FROM {plan.index.name} CROSS JOIN {plan.table.name} USING (row) "
        f"WHERE key >= ? AND key < ? ORDER BY key {_way(plan.order)} LIMIT ?"
    )
    found = []
    for part in plan.ranges:
        low, high = _behind(part, plan.order, after)
        rows = connection.execute(sql, (low, high, limit))
        found += [(key[len(part.prefix) :], row, text) for key, row, text in rows]
    if len(plan.ranges) > 1:
        found.sort(key=lambda entry: entry[0], reverse=plan.order.descending)
    distinct = {row: text for _, row, text in reversed(found)}  # an array's document may be found several times
    return [loads(text) for text in itertools.islice(reversed(distinct.values()), limit)]


def _behind(part: Range, order: Order, after: Position | None) -> Span:
    if after is None:
        return part.low, part.high
    place = part.prefix + (keys.key(after.value) if order.field else b"") + after.id.encode()
    return (part.low, min(part.high, place)) if order.descending else (max(part.low, place + b"\0"), part.high)


def _by_id(connection: sqlite3.Connection, plan: Plan, after: Position | None, limit: int) -> list[Document]:
    if plan.order.field:
        return _sorted(_fitting(connection, plan, None), plan.order, after, limit)
    return list(itertools.islice(_fitting(connection, plan, after), limit))


def _fitting(connection: sqlite3.Connection, plan: Plan, after: Position | None) -> Iterator[Document]:
    """Documents by id that fit, in the order's direction."""
    rest = {field: condition for field, condition in plan.where.items() if field != "_id"}
    for condition, parameters in _id_conditions(plan):
        within = f"{condition} {_beyond(plan.order, after)}"
        sql = f"SELECT doc FROM {plan.table.name} WHERE {within} ORDER BY _id {_way(plan.order)}"
        for (text,) in connection.execute(sql, (*parameters, *_id(after))):
            document = loads(text)
            if fits(document, rest):
                yield document


def _id_conditions(plan: Plan) -> Iterator[tuple[str, list[Any]]]:
    match plan.where.get("_id"):
        case None:
            yield "1", []
        case str(id) | Has(id):
            yield "_id = ?", [id]
        case In(values):
            ids = sorted({v for v in values if isinstance(v, str)}, key=str.encode, reverse=plan.order.descending)
            for some in itertools.batched(ids, _IDS_AT_ONCE, strict=False):
                yield f"_id IN ({', '.join('?' * len(some))})", list(some)
        case Between() as b:
            sides = {">=": b.at_least, ">": b.above, "<=": b.at_most, "<": b.below}
            given = {sign: side for sign, side in sides.items() if isinstance(side, str)}
            yield " AND ".join(f"_id {sign} ?" for sign in given) or "0", list(given.values())


def _sorted(documents: Iterable[Document], order: Order, after: Position | None, limit: int) -> list[Document]:
    path = tuple(order.field.split("."))
    placed = [(keys.keys_at(d, path)[0][0] + d["_id"].encode(), d) for d in documents]
    placed.sort(key=lambda entry: entry[0], reverse=order.descending)
    if after is not None:
        place = keys.key(after.value) + after.id.encode()
        placed = [entry for entry in placed if (entry[0] < place if order.descending else entry[0] > place)]
    return [document for _, document in placed[:limit]]


def _groups(connection: sqlite3.Connection, plan: Plan, field: str) -> Iterator[tuple[Any, int]]:
    if plan.index is None and plan.where:
        for document in _fitting(connection, plan, None):
            value: Any = document
            for name in field.split("."):
                value = value.get(name) if isinstance(value, dict) else None
            yield value, 1
        return
    rows, parameters = _rows(plan) if plan.index else ("", ())
    within = f"WHERE row IN ({rows})" if rows else ""
    path = "$." + ".".join(f'"{name}"' for name in field.split("."))
    for text, number in connection.execute(
        f"SELECT doc -> ?, COUNT(*) FROM {plan.table.name} {within} GROUP BY 1", (path, *parameters)
    ):
        yield (None if text is None else loads(text)), number


def _texts(connection: sqlite3.Connection, plan: Plan, limit: int = -1) -> Iterator[str]:
    rows, parameters = _rows(plan)
    if limit >= 0:  # here, so that not all that fit are looked for first; an array's document is there several times
        rows = f"SELECT DISTINCT row FROM ({rows}) LIMIT {limit}"
    for (text,) in connection.execute(f"SELECT doc FROM {plan.table.name} WHERE row IN ({rows})", parameters):
        yield text


def _rows(plan: Plan) -> tuple[str, tuple[bytes, ...]]:
    """SQL for the rows that an index finds."""
    assert plan.index is not None  # noqa: S101 - for mypy
    if not plan.ranges:
        return "SELECT 0 AS row WHERE 0", ()
    values = ", ".join(["(?, ?)"] * len(plan.ranges))
    sql = (
        f"WITH span(low, high) AS (VALUES {values}) "
        f"SELECT row FROM span CROSS JOIN {plan.index.name} ON key >= low AND key < high"
    )
    return sql, tuple(itertools.chain.from_iterable((part.low, part.high) for part in plan.ranges))


def _way(order: Order) -> str:
    return "DESC" if order.descending else "ASC"


def _beyond(order: Order, after: Position | None) -> str:
    return "" if after is None else f"AND _id {'<' if order.descending else '>'} ?"


def _id(after: Position | None) -> tuple[str, ...]:
    return () if after is None else (after.id,)
