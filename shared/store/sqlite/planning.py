"""Which ranges of which index table answer a query.

An index table's keys are the fields' keys and then the id. Conditions fix the first fields to one prefix or, with In,
to several; the last field has a range, or none. So within a prefix the documents come in order, ties by id, and the
page after a document is the range behind its key.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from shared.store.order import Order
from shared.store.port import Between, Collection, Document, Has, In, serving_index
from shared.store.sqlite import keys
from shared.store.sqlite.schema import IndexTable, Table

Span = tuple[bytes, bytes]
"""From a key to before a key."""


class Range(NamedTuple):
    """Keys that start with a prefix, from `low` to before `high`."""

    prefix: bytes
    low: bytes
    high: bytes


@dataclass(frozen=True)
class Plan:
    """How a query is answered: by ranges of an index, or (`index` None) by id and looking at each document."""

    table: Table
    where: Mapping[str, Any]
    order: Order
    index: IndexTable | None
    ranges: tuple[Range, ...]

    @property
    def in_order(self) -> bool:
        """Whether the keys behind each prefix are in the order asked for."""
        if self.index is None:
            return False
        fields = self.index.index.fields
        if self.order.field:
            return fields[-1] == self.order.field and len(fields) == len({*self.where, self.order.field})
        return len(fields) == len(self.where) and not any(isinstance(c, Between) for c in self.where.values())

    def on(self, table: Table) -> "Plan":
        """The same on the table with all its indexes, for writing."""
        return replace(self, table=table)


def plan_of(collection: Collection, where: Mapping[str, Any], order: Order) -> Plan:
    """Choose the index. Undeclared where there is none."""
    table = Table(collection.name, ())
    index = serving_index(collection, where, order.field or None)
    if index is None:
        return Plan(table, where, order, None, ())
    last = {order.field} | {field for field, condition in where.items() if isinstance(condition, Between)}
    prefixes = [_spans(where[field]) for field in index.fields[: len(where.keys() - last)]]
    field = index.fields[len(prefixes)] if len(prefixes) < len(index.fields) else ""
    spans = _spans(where[field]) if field in where else [(b"", keys.END)]
    starts = [b"".join(low for low, _ in combined) for combined in itertools.product(*prefixes)]
    ranges = tuple(Range(start, start + low, start + high) for start in starts for low, high in spans)
    return Plan(table, where, order, IndexTable(table.collection, index), ranges)


def fits(document: Document, where: Mapping[str, Any]) -> bool:
    """Whether all conditions hold."""
    return all(_holds(document, field, condition) for field, condition in where.items())


def _holds(document: Document, field: str, condition: Any) -> bool:
    found, _ = keys.keys_at(document, tuple(field.split(".")))
    return any(low <= key < high for low, high in _spans(condition) for key in found)


def _spans(condition: Any) -> list[Span]:
    match condition:
        case In(values):
            return [(key, key + keys.END) for key in sorted({keys.key(value) for value in values})]
        case Between():
            return [_between(condition)]
        case Has(value):
            key = keys.key(value)
        case _:
            key = keys.key(condition)
    return [(key, key + keys.END)]


def _between(bounds: Between) -> Span:
    given = [b for b in (bounds.at_least, bounds.above, bounds.at_most, bounds.below) if b is not None]
    low, high = keys.kind_range(given[0])
    if bounds.at_least is not None:
        low = max(low, keys.key(bounds.at_least))
    if bounds.above is not None:
        low = max(low, keys.key(bounds.above) + keys.END)
    if bounds.at_most is not None:
        high = min(high, keys.key(bounds.at_most) + keys.END)
    if bounds.below is not None:
        high = min(high, keys.key(bounds.below))
    return low, high
