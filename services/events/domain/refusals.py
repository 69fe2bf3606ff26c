"""What a command about network events can run into, besides an id that is not there.

Conflict
├── CalledOff        the event was cancelled
├── Begun            the event has begun: nobody can sign up any more
├── Over             the event has ended: nothing about it changes any more
└── OtherAttendance  the person is signed up for the other kind of seat
Invalid
└── NotOffered       the event has no seats of that kind
"""

from shared.contracts.base import FieldError
from shared.contracts.events import Attendance
from shared.contracts.problems import Conflict, Invalid


class CalledOff(Conflict):
    """The event was cancelled."""

    slug, title = "event-cancelled", "The event was cancelled"

    def __init__(self) -> None:
        super().__init__("the event was cancelled: nobody can sign up for it")


class Begun(Conflict):
    """Sign-up closes when the event begins."""

    slug, title = "event-begun", "The event has begun"

    def __init__(self) -> None:
        super().__init__("the event has begun: nobody can sign up for it any more")


class Over(Conflict):
    """Who was there stays as it was."""

    slug, title = "event-over", "The event is over"

    def __init__(self) -> None:
        super().__init__("the event is over: neither it nor a sign-up for it can be cancelled any more")


class OtherAttendance(Conflict):
    """One person has one sign-up for an event."""

    slug, title = "other-attendance", "The person is signed up for the other kind of seat"

    def __init__(self, attendance: Attendance, signup_id: str) -> None:
        super().__init__(
            f"this person is signed up {attendance} already (sign-up {signup_id}): send cancel-signup for it first"
        )


class NotOffered(Invalid):
    """The event has no seats of that kind."""

    slug, title = "attendance-not-offered", "The event has no seats of that kind"

    def __init__(self, attendance: Attendance, offered: Attendance) -> None:
        message = f"the event cannot be attended {attendance}; it can be attended {offered}"
        super().__init__(f"attendance: {message}", [FieldError(field="attendance", message=message)])
