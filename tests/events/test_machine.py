"""The rules of a network event, through any order of what people do: seats, waiting list, calling off, the clock."""

from datetime import timedelta
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.events.domain import Signup, announce
from services.events.domain.refusals import Begun, CalledOff, NotOffered, Over
from shared.contracts.events import Attendance
from tests.events.builders import ENDS, STARTS, meeting, on_site_only, person

kinds = st.sampled_from(["on-site", "online"])


class Meeting(RuleBasedStateMachine):
    """Handlers find the sign-ups; here the test does."""

    @initialize(seats=st.integers(1, 2), online=st.integers(0, 2))
    def announced(self, seats: int, online: int) -> None:
        self.now = STARTS - timedelta(days=7)
        wish = meeting(capacity_on_site=seats, capacity_online=online) if online else on_site_only(seats)
        self.event = announce("e", wish, self.now)
        self.signups: dict[str, Signup] = {}
        self.names = count()
        for _ in range(3):
            self.come("on-site")

    @rule(kind=kinds)
    def come(self, kind: Attendance) -> None:
        number = next(self.names)
        try:
            after, signup = self.event.sign_up(f"s{number}", person("e", number, kind), self.now)
        except CalledOff:
            assert self.event.state == "cancelled"
        except NotOffered:
            assert not self.event.offers(kind)
        except Begun:
            assert self.now >= STARTS
        else:
            assert self.now < STARTS
            assert self.event.state == "announced"
            assert signup.state == ("waiting" if self.of(kind, "waiting") or self.full(kind) else "confirmed")
            self.event, self.signups[signup.id] = after, signup

    @rule(which=st.integers(0, 20))
    def go(self, which: int) -> None:
        active = [s for s in self.signups.values() if s.active]
        if not active or self.event.state == "cancelled":
            return
        signup = active[which % len(active)]
        waiting = self.of(signup.attendance, "waiting")
        following = waiting[0] if self.event.frees_for_next(signup, self.now) else None
        assert (following is not None) == bool(signup.state == "confirmed" and waiting and self.now < STARTS)
        try:
            self.event, changed = self.event.release(signup, following, self.now)
        except Over:
            assert self.now >= ENDS
        else:
            assert self.now < ENDS
            self.signups |= {each.id: each for each in changed}

    @rule()
    @precondition(lambda self: len(self.signups) > 4)  # else most stories would end before they begin
    def call_off(self) -> None:
        try:
            self.event = self.event.call_off("syg", self.now)
        except Over:
            assert self.now >= ENDS
        else:
            self.signups = {name: s.to("cancelled") for name, s in self.signups.items()}

    @rule(hours=st.sampled_from([1, 24]))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule()
    @precondition(lambda self: self.of("on-site", "waiting"))
    def it_begins(self) -> None:
        self.now = max(self.now, STARTS)

    def of(self, kind: Attendance, state: str) -> list[Signup]:
        """In order of arrival."""
        found = [s for s in self.signups.values() if s.attendance == kind and s.state == state]
        return sorted(found, key=lambda s: s.arrival)

    def full(self, kind: Attendance) -> bool:
        return len(self.of(kind, "confirmed")) >= self.event.seats(kind).capacity

    @invariant()
    def what_is_counted_is_what_there_is(self) -> None:
        for kind in ("on-site", "online"):
            seats = self.event.seats(kind)
            assert (seats.taken, seats.waiting) == (len(self.of(kind, "confirmed")), len(self.of(kind, "waiting")))
            assert seats.taken <= seats.capacity

    @invariant()
    def nobody_waits_while_a_seat_is_free_before_the_start(self) -> None:
        if self.now < STARTS:
            assert all(self.full(kind) for kind in ("on-site", "online") if self.of(kind, "waiting"))

    @invariant()
    def each_arrival_has_its_own_number(self) -> None:
        for kind in ("on-site", "online"):
            arrivals = [s.arrival for s in self.signups.values() if s.attendance == kind]
            assert sorted(arrivals) == list(range(1, len(arrivals) + 1))


Meeting.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
test_meeting = Meeting.TestCase
