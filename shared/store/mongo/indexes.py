"""Declared indexes as MongoDB's.

Every index ends with `_id`, so that order and its ties come from it. A unique one has a second, partial index beside
it that binds only documents with a value in each field: MongoDB would count null as a value, and does not use a partial
index for queries.
"""

from collections.abc import Iterator

from pymongo import IndexModel

from shared.store.port import Collection, Index

BOUND_TYPES = ("number", "string", "object", "binData", "bool", "date")
"""Types of values that must be unique; an array is bound by its elements."""


def models(collection: Collection) -> list[IndexModel]:
    """What to create."""
    return [model for index in collection.all_indexes for model in _models(index)]


def _models(index: Index) -> Iterator[IndexModel]:
    keys = [(field, 1) for field in index.fields]
    yield IndexModel([*keys, ("_id", 1)], name=index.name)
    if index.unique:
        bound = {field: {"$type": list(BOUND_TYPES)} for field in index.fields}
        yield IndexModel(keys, name=f"{index.name}!", unique=True, partialFilterExpression=bound)
