"""What a store can answer instead of a result.

StoreError
├── Unavailable   it cannot be reached or is locked: wait and do it again; no fault of the message
├── Duplicate     a unique key or an id is taken
├── Stale         the document is not, or no longer, at the expected version: load and decide again
├── BadValue      a value that cannot be kept (naive datetime, integer beyond 64 bits, lone surrogate, …)
└── Undeclared    a query that no declared index serves: declare the index with the collection
"""


class StoreError(Exception):
    """The root of what a store raises."""


class Unavailable(StoreError):
    """The store cannot be reached, or is locked or full."""


class Duplicate(StoreError):
    """A unique key is taken; `index` names its fields joined by `+` (`_id` for the id)."""

    def __init__(self, collection: str, index: str) -> None:
        super().__init__(f"{collection}: {index} is taken")
        self.collection = collection
        self.index = index


class Stale(StoreError):
    """The document is missing or at another version than expected."""


class BadValue(StoreError):
    """A value that cannot be kept."""


class Undeclared(StoreError):
    """No declared index serves the query."""
