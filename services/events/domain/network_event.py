"""A network event and its seats. One small document: what grows with the event stands beside it, one sign-up each."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from services.events.domain.refusals import Begun, CalledOff, NotOffered, Over
from services.events.domain.signup import Signup
from shared.contracts.aggregate import Aggregate
from shared.contracts.events import Attendance, PlaceState, SignUp


class Seats(BaseModel):
    """The seats of one kind. `arrivals` counts every sign-up there ever was and gives the waiting list its order."""

    model_config = ConfigDict(frozen=True)

    capacity: int
    taken: int = 0
    waiting: int = 0
    arrivals: int = 0

    @property
    def open(self) -> bool:
        """A newcomer gets a seat: one is free and nobody waits for it."""
        return self.taken < self.capacity and self.waiting == 0

    def plus(self, *, taken: int = 0, waiting: int = 0, arrivals: int = 0) -> "Seats":
        """With these added to what is counted."""
        return Seats(
            capacity=self.capacity,
            taken=self.taken + taken,
            waiting=self.waiting + waiting,
            arrivals=self.arrivals + arrivals,
        )


class NetworkEvent(Aggregate):
    """A meeting that people sign up for, on site, online or both.

    Wall times are ISO strings in `timezone`; `starts` and `ends` are the same in UTC. `sequence` is the calendar's.
    """

    title: str
    description: str
    starts_at: str
    ends_at: str
    timezone: str
    starts: datetime
    ends: datetime
    place: PlaceState | None
    online_url: str | None
    on_site: Seats
    online: Seats
    state: Literal["announced", "cancelled"] = "announced"
    reason: str = ""
    sequence: int = 0

    def seats(self, attendance: Attendance) -> Seats:
        """The seats of a kind."""
        return self.on_site if attendance == "on-site" else self.online

    def offers(self, attendance: Attendance) -> bool:
        """Whether there are seats of a kind at all."""
        return self.seats(attendance).capacity > 0

    def check_offers(self, attendance: Attendance) -> None:
        """CalledOff, or NotOffered where the event has no seats of that kind."""
        if self.state == "cancelled":
            raise CalledOff
        if not self.offers(attendance):
            raise NotOffered(attendance, "online" if attendance == "on-site" else "on-site")

    def sign_up(self, id: str, wish: SignUp, now: datetime) -> tuple["NetworkEvent", Signup]:
        """A seat, or the end of the waiting list. CalledOff, NotOffered, Begun."""
        self.check_offers(wish.attendance)
        if now >= self.starts:
            raise Begun
        before = self.seats(wish.attendance)
        after = before.plus(arrivals=1, **({"taken": 1} if before.open else {"waiting": 1}))
        signup = Signup(
            id=id,
            event_id=self.id,
            name=wish.name,
            email=wish.email,
            attendance=wish.attendance,
            language=wish.language,
            state="confirmed" if before.open else "waiting",
            arrival=after.arrivals,
            signed_up_at=now,
        )
        return self._with(wish.attendance, after), signup

    def frees_for_next(self, signup: Signup, now: datetime) -> bool:
        """Whether the first in the waiting list moves up when this sign-up is cancelled."""
        return signup.state == "confirmed" and self.seats(signup.attendance).waiting > 0 and now < self.starts

    def can_release(self, now: datetime) -> bool:
        """Whether a sign-up can still be cancelled by itself."""
        return self.state == "announced" and now < self.ends

    def release(self, signup: Signup, following: Signup | None, now: datetime) -> tuple["NetworkEvent", list[Signup]]:
        """Cancel an active sign-up; `following`, the first in the waiting list, gets its seat. Over."""
        if now >= self.ends:
            raise Over
        seats = self.seats(signup.attendance)
        seats = seats.plus(taken=-1) if signup.state == "confirmed" else seats.plus(waiting=-1)
        changed = [signup.to("cancelled")]
        if following is not None:
            seats = seats.plus(taken=1, waiting=-1)
            changed.append(following.to("confirmed"))
        return self._with(signup.attendance, seats), changed

    def call_off(self, reason: str, now: datetime) -> "NetworkEvent":
        """The event does not take place; its sign-ups are to be cancelled after it. Over."""
        if now >= self.ends:
            raise Over
        emptied = {
            "on_site": self.on_site.model_copy(update={"taken": 0, "waiting": 0}),
            "online": self.online.model_copy(update={"taken": 0, "waiting": 0}),
        }
        return self.model_copy(
            update={"state": "cancelled", "reason": reason, "sequence": self.sequence + 1, **emptied}
        )

    def _with(self, attendance: Attendance, seats: Seats) -> "NetworkEvent":
        return self.model_copy(update={"on_site" if attendance == "on-site" else "online": seats})
