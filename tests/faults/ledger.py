"""The ledger of a run under faults: every command sent, reply got, event seen, mail delivered, document stored.

`audit` reads it once the system is quiet and says what is lost, what is there twice and what is stuck, each with why.
The rules stand in tests/faults/rules, one module for each promise; they read the ledger and nothing else.
"""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.contracts.base import Envelope, Reply
from shared.store.port import PENDING, PENDING_LISTS, Document

type Stores = Mapping[str, Mapping[str, list[Document]]]
"""Service -> collection -> its documents."""

OK = 200
"""Stands for an `ok` reply among the statuses of problems."""


@dataclass(frozen=True)
class Finding:
    """Something that should not be: what, and why it is held to be so. `uncertain` is reported and no fault."""

    kind: Literal["lost", "duplicated", "stuck", "uncertain"]
    what: str
    why: str


@dataclass
class Sent:
    """A command: what was asked, which answers are right (statuses; OK), and what was answered, each time."""

    id: str
    service: str
    key: str
    data: dict[str, Any]
    right: frozenset[int] = frozenset({OK})
    buried: bool = False
    """Whether it is to become a dead letter besides: no service could ever read it."""
    sends: int = 0
    replies: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The command's name without its version."""
        return self.key.partition(".")[0]

    @property
    def reply(self) -> Reply | None:
        """The first answer."""
        return Reply.model_validate_json(self.replies[0]) if self.replies else None

    @property
    def status(self) -> int | None:
        """OK, or the status of the problem; None while nothing was answered."""
        reply = self.reply
        return None if reply is None else OK if reply.ok else reply.problem.status if reply.problem else None

    @property
    def result(self) -> dict[str, Any]:
        """What an `ok` reply told."""
        return (self.reply and self.reply.result) or {}

    def __str__(self) -> str:
        return f"{self.service} {self.name} {self.id}"


@dataclass(frozen=True)
class Page:
    """Something a person did on a page, and the status that was answered in the end. `about`: whom and what."""

    verb: str
    about: Mapping[str, str]
    status: int


@dataclass(frozen=True)
class Mailed:
    """A mail that the mail server took."""

    message_id: str
    recipient: str
    at: float


@dataclass(frozen=True)
class Happened:
    """A fault: when it began and when it was over, by the monotonic clock."""

    kind: str
    target: str
    began: float
    ended: float


@dataclass
class Ledger:
    """Everything seen from outside. Events as often as they came; stores, queues and dead letters as they ended."""

    commands: dict[str, Sent] = field(default_factory=dict)
    pages: list[Page] = field(default_factory=list)
    events: list[Envelope] = field(default_factory=list)
    mails: list[Mailed] = field(default_factory=list)
    faults: list[Happened] = field(default_factory=list)
    stores: Stores = field(default_factory=dict)
    queues: dict[str, int] = field(default_factory=dict)
    dead: list[tuple[str, str, str]] = field(default_factory=list)
    """Of each dead letter: the message's id, the service, the reason with its detail."""
    unsettled: list[str] = field(default_factory=list)
    """What had not come to rest when the patience was over."""
    heard: set[str] = field(default_factory=set)
    """Ids of messages that some event seen so far names as its cause, and of what it is about."""

    def hear(self, event: Envelope) -> None:
        """Note an event as it came."""
        self.events.append(event)
        self.heard |= {str(event.causationid), str(event.subject)}

    def documents(self, service: str, collection: str) -> list[Document]:
        """All documents of a collection."""
        return self.stores.get(service, {}).get(collection, [])

    def by_id(self, service: str, collection: str) -> dict[str, Document]:
        """The same by their ids."""
        return {document["_id"]: document for document in self.documents(service, collection)}

    @property
    def told(self) -> list[Envelope]:
        """The events, each id once, in the order of their first coming."""
        return list({event.id: event for event in reversed(self.events)}.values())[::-1]

    def named(self, *names: str) -> list[Envelope]:
        """Those of these names."""
        return [event for event in self.told if name_of(event) in names]

    def by_cause(self) -> dict[str, list[Envelope]]:
        """Message id -> the events that it caused."""
        found: dict[str, list[Envelope]] = defaultdict(list)
        for event in self.told:
            found[str(event.causationid)].append(event)
        return found

    def answered(self, *names: str) -> list[Sent]:
        """The commands of these names that were answered `ok`."""
        return [c for c in self.commands.values() if c.name in names and c.status == OK]

    def owed(self) -> Iterator[tuple[str, str, Document]]:
        """Service, collection and document of everything that still has something to tell."""
        for service, collections in self.stores.items():
            for name, documents in collections.items():
                for document in documents:
                    if PENDING in document or any(document.get(each) for each in PENDING_LISTS):
                        yield service, name, document

    def waiting_events(self) -> set[str]:
        """Subjects of events that stand in an outbox: they are stuck, not lost."""
        return {str(e.get("subject")) for _, _, document in self.owed() for e in document.get("outbox", ())}

    def fault_of(self, struck: Callable[[Happened], bool], before: float = math.inf) -> Happened | None:
        """The last fault of a sort that began before a time."""
        found = [fault for fault in self.faults if struck(fault) and fault.began <= before]
        return max(found, key=lambda fault: fault.began, default=None)


def name_of(event: Envelope) -> str:
    """An event's name without its version."""
    return event.type.split(".")[3]


def audit(ledger: Ledger) -> list[Finding]:
    """Everything that the rules find."""
    from tests.faults.rules import RULES

    return [finding for rule in RULES for finding in rule(ledger)]


def counted(findings: Iterable[Finding]) -> dict[str, int]:
    """How many of each kind."""
    kinds = [finding.kind for finding in findings]
    return {kind: kinds.count(kind) for kind in ("lost", "duplicated", "stuck", "uncertain")}


def shown(document: Mapping[str, Any]) -> str:
    """A document in a line, without what it still has to tell."""
    kept = {key: value for key, value in document.items() if key not in PENDING_LISTS}
    return json.dumps(kept, default=str, ensure_ascii=False)[:300]
