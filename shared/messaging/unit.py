"""One message on its way to its outcome."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from shared.contracts.base import Command, Envelope, Message, Reply
from shared.contracts.problems import Conflict
from shared.store.port import Document

CANONICAL = json.JSONEncoder(sort_keys=True)


@dataclass(frozen=True)
class Outcome:
    """How a message ended: the reply, and whether it had been handled before, or has no effect because it is about
    somebody who was erased.
    """

    reply: Reply
    duplicate: bool = False
    skipped: bool = False


REUSED = Conflict("this message id was used before for a message with other content: give every message its own id")

DONE = Outcome(Reply.done(None))
DONE_JSON = DONE.reply.to_json().decode()
"""What almost every event ends with."""


@dataclass(eq=False)
class Unit:
    """A message on its way to its outcome."""

    envelope: Envelope
    model: type[Message] | None
    inbox_id: str
    sender: str
    keep_refusal: bool = True
    message: Message | None = None
    outcome: Outcome | None = None

    @property
    def traceless(self) -> bool:
        """Whether nothing of it is to be kept."""
        return self.model is not None and issubclass(self.model, Command) and self.model.traceless

    @property
    def key(self) -> str:
        """What messages are kept in order by: the command's key field, else the subject, else nothing but itself."""
        field = self.model.key if self.model is not None and issubclass(self.model, Command) else None
        key = self.envelope.data.get(field) if field else self.envelope.subject
        return f"{key}" if key else f"message {self.envelope.id}"

    @cached_property
    def digest(self) -> str:
        """Of what it says, in whatever order its fields stand: a sender may build it anew to send it again."""
        said = CANONICAL.encode([self.envelope.type, self.envelope.data])
        return hashlib.sha256(said.encode()).hexdigest()

    @property
    def ended(self) -> Outcome:
        """Its outcome."""
        assert self.outcome is not None, "handled"  # noqa: S101
        return self.outcome

    def again(self, entry: Document) -> None:
        """It was handled before, and left this entry."""
        if entry["digest"] == self.digest:
            self.outcome = Outcome(Reply.model_validate_json(entry["reply"]), duplicate=True)
        else:
            self.outcome = Outcome(Reply.refused(REUSED.problem()), duplicate=True)


def first_of_each(units: Sequence[Unit]) -> list[Unit]:
    """Those without an outcome; one that is there several times waits for the first of them."""
    if len(units) == 1:  # almost always
        return [unit for unit in units if unit.outcome is None]
    first: dict[str, Unit] = {}
    for unit in units:
        if unit.outcome is None:
            first.setdefault(unit.inbox_id, unit)
    return list(first.values())
