"""What a service declares of the persons that it keeps: one row for each collection, in its `persons.py`.

    PERSONS = Persons(
        REPOSITORIES,
        Held(SIGNUPS, addresses=("email",), erase=leave),
    )

A test sees to it that every field that holds an address is declared (tests/architecture/test_persons.py).
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from shared.persons.mentions import Literal
from shared.store.port import Document
from shared.store.repository import Repository
from shared.store.work import OWN_COLLECTIONS, Work


@dataclass(frozen=True)
class Person:
    """Who is meant: the address in its normal form, and the keyed id that stands for it."""

    email: str
    id: str

    @property
    def literal(self) -> Literal:
        """The address as it may stand in a text."""
        return Literal(self.email)

    @cached_property
    def _hints(self) -> tuple[str, str]:
        # Up to the @ without what may stand escaped in a document's text.
        return re.split(r"[^a-z0-9.+_-]", self.email.rpartition("@")[0])[-1] + "@", self.id

    def may_be_in(self, document: Document) -> bool:
        """Whether a closer look at a document is worth while: nearly all of a store's are ruled out by this, fast."""
        text = str(document).lower()
        return any(hint in text for hint in self._hints)


type Erase = Callable[[Any, Person, Work], Awaitable[bool]]
"""`async def verb_object(aggregate, person, work)`: take the person out, in a unit of work of its own; loads, puts and
saves as handlers do. False where there was nothing left to take out.
"""


@dataclass(frozen=True)
class Held:
    """A collection that keeps persons.

    `addresses` and `ids`: the fields that hold the address, or the keyed id (dots for nested ones, `_id` for the
    document's own). Without `erase` what is found stays, and `kept` says why.
    """

    repository: Repository[Any]
    addresses: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    erase: Erase | None = None
    kept: str = ""
    told: bool = False
    """Whether events of this service carried the person's data under the aggregate's id."""

    def __post_init__(self) -> None:
        if bool(self.erase) == bool(self.kept):
            raise ValueError(f"{self.repository.name}: say how persons are erased, or why they are kept")

    def is_about(self, document: Document, person: Person) -> bool:
        """Whether a document is about the person."""
        return any(_is(document, field, person.email) for field in self.addresses) or any(
            _is(document, field, person.id) for field in self.ids
        )


class Persons:
    """The table of one service. What is not in it is still searched for the address in its texts."""

    def __init__(self, repositories: Sequence[Repository[Any]], *held: Held) -> None:
        self.held = {row.repository.name: row for row in held}
        self.repositories = tuple(repositories)
        self.collections = (*(r.collection for r in repositories), *OWN_COLLECTIONS)


def _is(document: Document, field: str, value: str) -> bool:
    found: Any = document
    for name in field.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return isinstance(found, str) and found.lower() == value
