"""What the log of all events tells of erasures: whose aggregates are not to come back by a replay.

The log says no address and no key of one, so this works for a store that was lost with its list of erased persons, and
for a service that is new.
"""

from datetime import datetime
from typing import Any

from shared.contracts.base import MESSAGES, Envelope
from shared.persons.mentions import declared, texts

NAME = "person-erased"


class ToldErasures:
    """Aggregates that were erased, and until when what was told of them is not told again."""

    def __init__(self) -> None:
        self._until: dict[str, datetime] = {}

    def hear(self, envelope: Envelope) -> None:
        """Any event of the log; those of erasures are noted."""
        if envelope.type.split(".")[-2] != NAME:
            return
        subjects: Any = envelope.data.get("subjects", ())
        for subject in subjects if isinstance(subjects, list) else ():
            self._until[str(subject)] = max(envelope.time, self._until.get(str(subject), envelope.time))

    def concern(self, envelope: Envelope) -> bool:
        """Whether an event carries a person's address, names an erased aggregate, and is older than its erasure."""
        if not self._until:
            return False
        model = MESSAGES.get(envelope.type)
        if model is not None and not declared(model, envelope.data):
            return False
        named = {envelope.subject or "", *texts(envelope.data)}
        return any(envelope.time <= self._until[name] for name in named & self._until.keys())
