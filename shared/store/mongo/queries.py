"""Conditions, order and pages as MongoDB's filters."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.store.order import Order, Position
from shared.store.port import Between, Document, Has, In
from shared.store.values import is_nan

_TYPES = ("number", "string", "object", "binData", "bool", "date")
"""In BSON's order, null before them. Between compares within one type, so a page says which types lie beyond it."""

_TYPE_OF = {int: "number", float: "number", str: "string", bytes: "binData", bool: "bool", datetime: "date"}


def filter_of(where: Mapping[str, Any]) -> Document:
    """Clean conditions as a filter."""
    return {field: _condition(condition) for field, condition in where.items()}


def sort_of(order: Order) -> list[tuple[str, int]]:
    """The order, ties by `_id` in the same direction."""
    way = -1 if order.descending else 1
    return [(order.field, way), ("_id", way)] if order.field else [("_id", way)]


def page_of(where: Document, order: Order, after: Position | None) -> Document:
    """The filter of what comes after a position."""
    if after is None:
        return where
    beyond = "$lt" if order.descending else "$gt"
    rest: Document = {"_id": {beyond: after.id}}
    if order.field:
        tie = {order.field: None if after.value is None else {"$eq": after.value}} | rest
        rest = {"$or": [tie, *({order.field: part} for part in _beyond(after.value, order.descending))]}
    return {"$and": [where, rest]} if where else rest


def _condition(condition: Any) -> Any:
    match condition:
        case In(values):
            return {"$in": list(values)}
        case Has(value):
            return {"$eq": value}
        case Between():
            sides = {
                "$gte": condition.at_least,
                "$gt": condition.above,
                "$lte": condition.at_most,
                "$lt": condition.below,
            }
            given = {sign: side for sign, side in sides.items() if side is not None}
            return given | {"$type": _TYPE_OF[type(next(iter(given.values())))]}
        case None:
            return None
        case _:
            return {"$eq": condition}


def _beyond(value: Any, descending: bool) -> list[Any]:
    """Conditions of values behind one, in any order: those of its type, then the types behind it."""
    if value is None:
        return [] if descending else [{"$type": list(_TYPES)}]
    kind = _TYPE_OF[type(value)]
    place = _TYPES.index(kind)
    further: list[Any] = (
        [{"$type": list(types)}] if (types := _TYPES[:place] if descending else _TYPES[place + 1 :]) else []
    )
    if descending:
        further.append(None)
    if is_nan(value):  # below all numbers, and comparable with none
        return further if descending else [{"$gte": -math.inf, "$type": kind}, *further]
    if descending and kind == "number":
        further.append({"$eq": math.nan})
    return [{"$lt" if descending else "$gt": value, "$type": kind}, *further]
