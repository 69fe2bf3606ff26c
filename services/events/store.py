"""Where network events and sign-ups are kept; an index for each query."""

from collections.abc import Collection
from datetime import datetime

from services.events.domain import ACTIVE, NetworkEvent, Signup
from shared.contracts.events import Attendance, SignUpState
from shared.store.port import Between, In, Index, Where
from shared.store.repository import Repository

EVENTS = Repository("events", NetworkEvent, indexes=(Index(("state", "starts")),))  # what is to come

SIGNUPS = Repository(
    "signups",
    Signup,
    indexes=(
        Index(("event_id", "attendance", "state", "arrival")),  # the waiting list in order; everyone who has a seat
        Index(("email", "event_id", "state")),  # a person's active sign-up for an event; all of a person's
    ),
)

REPOSITORIES = (EVENTS, SIGNUPS)


def to_come(now: datetime) -> Where:
    """Events that people can sign up for; order by `starts`."""
    return {"state": "announced", "starts": Between(above=now)}


def in_line(event_id: str, attendance: Attendance, state: SignUpState) -> Where:
    """Sign-ups of a kind and state; order by `arrival`."""
    return {"event_id": event_id, "attendance": attendance, "state": state}


def up_to(signup: Signup) -> Where:
    """Those of its kind and state who came before, and itself: for one who waits, their number is the position."""
    line = in_line(signup.event_id, signup.attendance, signup.state)
    return {**line, "arrival": Between(at_most=signup.arrival)}


def active_of(emails: Collection[str], event_id: str) -> Where:
    """Persons' sign-ups for an event that are not cancelled: each has at most one."""
    return {"email": In(sorted(emails)), "event_id": event_id, "state": In(ACTIVE)}
