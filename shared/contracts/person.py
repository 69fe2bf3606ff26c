"""Erasure and access (GDPR art. 15 and 17): what every service takes and tells, the same for all.

Each contract module declares its own three, with these as their bases.
"""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.base import Command, Event
from shared.contracts.types import Email, Id

ERASED_ADDRESS = "erased@rummelig.invalid"
"""Stands where an erased address stood (RFC 2606: such a domain never is). No mail goes there."""

ERASED_NAME = "–"
"""Stands where the name of an erased person stood."""

Counts = dict[str, int]
"""Collection -> how many documents."""


class ErasureResult(BaseModel):
    """What one service did. All are empty where it knew nothing of the person, or not any more."""

    model_config = ConfigDict(frozen=True)
    erased: Counts = Field(default={}, examples=[{"signups": 1}])
    """Documents that were about the person."""
    masked: Counts = Field(default={}, examples=[{"events": 1}])
    """Documents that mentioned the address in some text; it stands there no longer."""
    kept: Counts = Field(default={}, examples=[{"suppressions": 1}])
    """What stays under a keyed id without the address; docs/privacy.md says why."""
    left: int = Field(default=0, examples=[0])
    """What could not be done yet, such as events that nobody takes: not 0, ask again later."""


class ExportResult(BaseModel):
    """All that one service keeps of the person."""

    model_config = ConfigDict(frozen=True)
    about: dict[str, list[dict[str, Any]]] = Field(default={}, examples=[{"signups": [{"name": "Asta Eksempel"}]}])
    """Collection -> the documents that are about the person."""
    mentions: dict[str, list[dict[str, Any]]] = Field(default={}, examples=[{"events": [{"description": "…"}]}])
    """Collection -> the id, and the fields whose text holds the address, of others."""


class PersonCommand(Command, abstract=True):
    """A command that only the operator may send. It leaves nothing of itself behind, and may be done again."""

    key = "email"
    senders = ()
    traceless: ClassVar[bool] = True

    email: Email = Field(examples=["asta@forening.example"])


class ErasureCommand(PersonCommand, abstract=True):
    """Take a person out of all that the service keeps. Again finishes what is missing, or changes nothing."""

    result = ErasureResult


class ExportCommand(PersonCommand, abstract=True):
    """Tell what the service keeps of a person. The reply goes to who asks and is kept nowhere."""

    result = ExportResult


class Erasure(Event, abstract=True):
    """A person was erased. Says nothing of who it was: `subjects` are the ids of aggregates that earlier events told of
    with the person's data, so that whoever keeps copies of those events can erase them too (GDPR art. 19).
    """

    about = "erasure_id"
    optional = True

    erasure_id: Id = Field(examples=["3c9e2f10-7d4b-4a55-8e1f-0b6a9c8d7e08"])
    subjects: tuple[Id, ...] = Field(default=(), examples=[["7b1d1f6e-2c5f-5a1c-9f0e-3a9d2f4b6c02"]])
    erased: Counts = Field(examples=[{"signups": 1}])
