"""What the events service takes and tells: network events, sign-ups, waiting lists."""

from datetime import datetime
from functools import cache
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from shared.contracts.base import Command, Event
from shared.contracts.person import Erasure, ErasureCommand, ExportCommand
from shared.contracts.types import Email, EventPart, HttpUrl, Id, KeptEmail, Language, Line, Part, Text

Attendance = Literal["on-site", "online"]
SignUpState = Literal["confirmed", "waiting", "cancelled"]


def _wall_time(value: datetime) -> datetime:
    if value.tzinfo is not None:
        raise ValueError(
            "must be local wall time without offset, such as 2027-02-09T14:00:00; the zone stands in timezone"
        )
    return value


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())  # reads hundreds of files


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("is not an IANA time zone name such as Europe/Copenhagen")
    return name


LocalTime = Annotated[
    datetime,
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?$"}),
]
"""Local wall time in an event. JSON Schema's date-time would ask for an offset."""

WallTime = Annotated[LocalTime, AfterValidator(_wall_time)]
"""Local wall time without offset; the zone is told apart (ISO 8601)."""

Zone = Annotated[str, AfterValidator(_zone)]
"""An IANA time zone name."""

Seats = Annotated[int, Field(ge=0, le=100_000)]


class Place(Part):
    """Where people meet."""

    name: Line = Field(examples=["Kulturhuset Terrassen"])
    address: Line = Field(examples=["Hasselvej 15, 8620 Kjellerup"])


class EventRef(BaseModel):
    """Which network event it is."""

    model_config = ConfigDict(frozen=True)
    event_id: Id = Field(examples=["0d5e4c0e-3b0a-5d63-8a53-0f6f0b1b7a01"])


class SignUpResult(BaseModel):
    """How a sign-up stands. `position` counts from 1 in the waiting list and is absent for a confirmed one."""

    model_config = ConfigDict(frozen=True)
    signup_id: Id = Field(examples=["7b1d1f6e-2c5f-5a1c-9f0e-3a9d2f4b6c02"])
    state: SignUpState
    position: int | None = None


class AnnounceEvent(Command):
    """Announce a network event on site, online or both. Times are local wall time in `timezone`.

    422 for an end not after the start, a local time that never is (clocks go forward), a start in the past, seats on
    site without a place or online without a link, a place or a link without seats. A local time that comes twice
    (clocks go back) means the first of the two.
    """

    result = EventRef

    title: Line = Field(examples=["Tilbud og støtte til socialøkonomiske virksomheder"])
    starts_at: WallTime = Field(examples=["2027-02-09T14:00:00"])
    ends_at: WallTime = Field(examples=["2027-02-09T17:00:00"])
    timezone: Zone = Field(default="Europe/Copenhagen", examples=["Europe/Copenhagen"])
    place: Place | None = Field(
        default=None, examples=[{"name": "Kulturhuset Terrassen", "address": "Hasselvej 15, 8620 Kjellerup"}]
    )
    online_url: HttpUrl | None = Field(default=None, examples=["https://moede.example/netvaerk"])
    capacity_on_site: Seats = Field(default=0, examples=[14])
    capacity_online: Seats = Field(default=0, examples=[4])
    description: Text = Field(default="", examples=["Vi præsenterer alle tilbud og drikker kaffe."])


class SignUp(Command):
    """Sign a person up. Full: the waiting list, in order of arrival. Signing up again tells how the first stands.

    404 for an event that is not there, 409 for one that was called off or has begun, or where the person is signed up
    for the other kind of seat (cancel that first), 422 for a kind of seat that the event does not have.
    """

    result = SignUpResult
    key = "event_id"

    event_id: Id = Field(examples=["0d5e4c0e-3b0a-5d63-8a53-0f6f0b1b7a01"])
    name: Line = Field(examples=["Asta Eksempel"])
    email: Email = Field(examples=["asta@forening.example"])
    attendance: Attendance = Field(examples=["on-site"])
    language: Language = "da"


class CancelSignup(Command):
    """Give the seat back; the first in the waiting list for the same kind of seat gets it. Again changes nothing.

    Once the event has begun nobody moves up any more; once it is over 409. Who changes his mind signs up anew.
    """

    result = SignUpResult

    signup_id: Id = Field(examples=["7b1d1f6e-2c5f-5a1c-9f0e-3a9d2f4b6c02"])


class CancelEvent(Command):
    """Call a network event off; every sign-up is cancelled. Again changes nothing. 409 for one that is over."""

    result = EventRef
    key = "event_id"

    event_id: Id = Field(examples=["0d5e4c0e-3b0a-5d63-8a53-0f6f0b1b7a01"])
    reason: Text = Field(default="", examples=["Oplægsholderen er syg."])


class PlaceState(EventPart):
    """Where people meet, in an event."""

    name: str = Field(examples=["Kulturhuset Terrassen"])
    address: str = Field(examples=["Hasselvej 15, 8620 Kjellerup"])


class EventDetails(EventPart):
    """What a participant needs to know about a network event.

    `sequence` is the calendar's (RFC 5545 SEQUENCE): it grows with every change that a calendar must learn of, and by
    one when an entry is taken back. It counts for one sign-up; a calendar entry's UID is made of the sign-up's id.
    """

    event_id: Id = Field(examples=["0d5e4c0e-3b0a-5d63-8a53-0f6f0b1b7a01"])
    title: str = Field(examples=["Tilbud og støtte til socialøkonomiske virksomheder"])
    starts_at: LocalTime = Field(examples=["2027-02-09T14:00:00"])
    ends_at: LocalTime = Field(examples=["2027-02-09T17:00:00"])
    timezone: Zone = Field(examples=["Europe/Copenhagen"])
    place: PlaceState | None = Field(
        default=None, examples=[{"name": "Kulturhuset Terrassen", "address": "Hasselvej 15, 8620 Kjellerup"}]
    )
    description: str = ""
    sequence: int = 0


class EventAnnounced(Event):
    """A network event is open for sign-up. The link to join is not told: it goes to those who come online.

    `sign_up_url` is the page where people sign up.
    """

    about = "event_id"

    event_id: Id = Field(examples=["0d5e4c0e-3b0a-5d63-8a53-0f6f0b1b7a01"])
    details: EventDetails
    capacity_on_site: int = Field(examples=[14])
    capacity_online: int = Field(examples=[4])
    sign_up_url: str | None = Field(
        default=None, examples=["https://rummelig.example/arrangementer/0d5e4c0e-3b0a-5d63-8a53-0f6f0b1b7a01"]
    )


class SignupChange(Event, abstract=True):
    """A sign-up as it now stands. `online_url` is there for those who come online and have a seat.

    `cancel_url` leads to a page with one button; opening it changes nothing. A cancelled sign-up has none.
    """

    about = "signup_id"

    signup_id: Id = Field(examples=["7b1d1f6e-2c5f-5a1c-9f0e-3a9d2f4b6c02"])
    event_id: Id = Field(examples=["0d5e4c0e-3b0a-5d63-8a53-0f6f0b1b7a01"])
    name: str = Field(examples=["Asta Eksempel"])
    email: KeptEmail = Field(examples=["asta@forening.example"])
    attendance: Attendance = Field(examples=["online"])
    language: Language = "da"
    details: EventDetails
    online_url: str | None = Field(default=None, examples=["https://moede.example/netvaerk"])
    cancel_url: str | None = Field(default=None, examples=["https://rummelig.example/afbud/…"])


class SignupConfirmed(SignupChange):
    """A person has a seat."""


class SignupWaitlisted(SignupChange):
    """A person waits for a seat; `position` counts from 1 at the time of signing up."""

    position: int = Field(examples=[1])


class SignupPromoted(SignupChange):
    """A person got a seat from the waiting list."""


class SignupCancelled(SignupChange):
    """A sign-up is no more: by the participant, or because the event was called off (`event_cancelled`).

    `had_seat` tells whether the person had a seat, and so a calendar entry to take back.
    """

    had_seat: bool = Field(examples=[True])
    event_cancelled: bool = Field(default=False, examples=[False])
    reason: str = ""


class EventCancelled(Event):
    """A network event was called off."""

    about = "event_id"

    event_id: Id = Field(examples=["0d5e4c0e-3b0a-5d63-8a53-0f6f0b1b7a01"])
    details: EventDetails
    reason: str = ""


class ErasePerson(ErasureCommand):
    """Take a person out of all that this service keeps. Again finishes what is missing, or changes nothing."""


class ExportPerson(ExportCommand):
    """Tell what this service keeps of a person. The reply goes to who asks and is kept nowhere."""


class PersonErased(Erasure):
    """This service erased a person; it does not say whom. `subjects` are ids that earlier events told of."""
