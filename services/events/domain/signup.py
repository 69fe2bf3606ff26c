"""One person's sign-up for a network event."""

from datetime import datetime

from shared.contracts.aggregate import Aggregate
from shared.contracts.events import Attendance, SignUpState
from shared.contracts.person import ERASED_ADDRESS, ERASED_NAME
from shared.contracts.types import KeptEmail, Language

ACTIVE: tuple[SignUpState, ...] = ("confirmed", "waiting")
"""The states that a person can have one sign-up in for an event. A cancelled one never comes back."""


class Signup(Aggregate):
    """Follows from its event, which decides who has a seat. `arrival` counts up among the sign-ups of a kind."""

    event_id: str
    name: str
    email: KeptEmail
    attendance: Attendance
    language: Language
    state: SignUpState
    arrival: int
    signed_up_at: datetime

    @property
    def active(self) -> bool:
        """Has a seat or waits for one."""
        return self.state in ACTIVE

    def to(self, state: SignUpState) -> "Signup":
        """The same sign-up in another state."""
        return self.model_copy(update={"state": state})

    def without_person(self) -> "Signup":
        """What stays when the person was erased: that somebody had, or wanted, a seat."""
        return self.model_copy(update={"name": ERASED_NAME, "email": ERASED_ADDRESS})
