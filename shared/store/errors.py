"""What a store can answer instead of a result.

StoreError
├── Unavailable   it cannot be reached or is locked: wait and do it again; no fault of the message
│   ├── Backlog   one document of it owes too many events: it takes no more until the broker took some
│   └── Newer     a document that only a newer version of the service reads: one of those will do it
├── Duplicate     a unique key or an id is taken
├── Stale         the document is not, or no longer, at the expected version: load and decide again
├── BadValue      a value that cannot be kept (naive datetime, integer beyond 64 bits, lone surrogate, …)
└── Undeclared    a query that no declared index serves: declare the index with the collection
"""


class StoreError(Exception):
    """The root of what a store raises."""


class Unavailable(StoreError):
    """The store cannot be reached, or is locked or full."""


class Newer(Unavailable):
    """A newer version of the service wrote the document in a format that this one does not know.

    As if the store was away: the message waits until a new process takes it, and no try is burnt.
    """


class Backlog(Unavailable):
    """A document owes as many events as it may: nothing is added to it until some of them are sent."""


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
