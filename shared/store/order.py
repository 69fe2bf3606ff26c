"""Order and paging: what `order` and `after` of a query say, the same for every store."""

from dataclasses import dataclass
from typing import Any

from shared.store.errors import BadValue
from shared.store.port import Document
from shared.store.values import clean_scalar


@dataclass(frozen=True)
class Position:
    """The last document of a page: its value of the ordering field (None for `_id`) and its id."""

    value: Any
    id: str


@dataclass(frozen=True)
class Order:
    """By a field, or by `_id` alone where `field` is empty; ties by `_id` in the same direction."""

    field: str
    descending: bool

    def position(self, after: Document | None) -> Position | None:
        """Where the next page starts."""
        if after is None:
            return None
        if not isinstance(after.get("_id"), str):
            raise BadValue("_id: the document before the page has none")
        value: Any = after if self.field else None
        for name in self.field.split(".") if self.field else ():
            value = value.get(name) if isinstance(value, dict) else None
        return Position(clean_scalar(value), clean_scalar(after["_id"]))


def parse_order(order: str | None) -> Order:
    """`name`, `-name` for descending, None for by `_id`."""
    field = (order or "").removeprefix("-")
    return Order("" if field == "_id" else field, (order or "").startswith("-"))
