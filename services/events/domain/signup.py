"""One person's sign-up for a network event."""

from datetime import datetime

from shared.contracts.aggregate import Aggregate
from shared.contracts.events import Attendance, SignUpState
from shared.contracts.types import Language

ACTIVE: tuple[SignUpState, ...] = ("confirmed", "waiting")
"""The states that a person can have one sign-up in for an event. A cancelled one never comes back."""


class Signup(Aggregate):
    """Follows from its event, which decides who has a seat. `arrival` counts up among the sign-ups of a kind."""

    event_id: str
    name: str
    email: str
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
