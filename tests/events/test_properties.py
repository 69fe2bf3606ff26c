"""Random stories against a model of two lines of text: the list of who came, and the number of seats."""

from dataclasses import dataclass, field
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from services.events import messages
from services.events.store import REPOSITORIES
from shared.contracts.events import Attendance, SignupCancelled, SignupPromoted
from tests.events.builders import LINKS, STARTS, announced, cancel, meeting, person, seats
from tests.support.harness import Harness, done, harness

KINDS: tuple[Attendance, ...] = ("on-site", "online")
Step = tuple[Literal["come", "go"], int, Attendance]

steps = st.lists(
    st.tuples(st.sampled_from(["come", "come", "go"]), st.integers(0, 7), st.sampled_from(KINDS)), max_size=30
)


@dataclass
class Line:
    """Those of one kind who are signed up, in order of arrival. The first ones have the seats."""

    capacity: int
    people: list[int] = field(default_factory=list)

    @property
    def seated(self) -> list[int]:
        return self.people[: self.capacity]

    @property
    def waiting(self) -> list[int]:
        return self.people[self.capacity :]


@settings(max_examples=40, deadline=None)
@given(story=steps, capacities=st.tuples(st.integers(1, 3), st.integers(1, 2)))
async def test_seats_and_waiting_lists(story, capacities):
    async with harness(messages, REPOSITORIES, LINKS) as rig:
        event_id = await announced(rig, meeting(capacity_on_site=capacities[0], capacity_online=capacities[1]))
        lines = dict(zip(KINDS, map(Line, capacities), strict=True))
        ids: dict[int, str] = {}
        for what, who, kind in story:
            if what == "come":
                await _come(rig, event_id, lines, ids, who=who, kind=kind)
            elif who in ids:
                assert done(await cancel(rig, ids[who]))["state"] == "cancelled"
                for line in lines.values():
                    line.people = [p for p in line.people if p != who]
            counted = await seats(rig, event_id)
            assert list(counted.values()) == [(len(line.seated), len(line.waiting)) for line in lines.values()]
        await _compare(rig, lines)


@settings(max_examples=15, deadline=None)
@given(story=steps)
async def test_after_the_start_nobody_moves(story):
    async with harness(messages, REPOSITORIES, LINKS) as rig:
        event_id = await announced(rig, meeting(capacity_on_site=2, capacity_online=1))
        ids = [done(await rig.send(person(event_id, n, KINDS[n % 2])))["signup_id"] for n in range(8)]
        rig.now = STARTS
        for what, who, kind in story:
            if what == "come":
                await rig.send(person(event_id, who, kind))
            else:
                await cancel(rig, ids[who])
        gone = {who for what, who, _ in story if what == "go"}
        assert rig.told(SignupPromoted) == []
        assert {told.signup_id for told in rig.told(SignupCancelled)} == {ids[who] for who in gone}


async def _come(
    rig: Harness, event_id: str, lines: dict[Attendance, Line], ids: dict[int, str], *, who: int, kind: Attendance
) -> None:
    other = next(line for k, line in lines.items() if k != kind)
    reply = await rig.send(person(event_id, who, kind))
    if who in other.people:
        assert reply.problem is not None
        assert reply.problem.status == 409
        return
    mine = lines[kind]
    if who not in mine.people:
        mine.people.append(who)
    result = done(reply)
    ids[who] = result["signup_id"]
    assert result["state"] == ("confirmed" if who in mine.seated else "waiting")
    assert result["position"] == (mine.waiting.index(who) + 1 if who in mine.waiting else None)


async def _compare(rig: Harness, lines: dict[Attendance, Line]) -> None:
    stored = [d for d in (await rig.dump())["signups"] if d["state"] != "cancelled"]
    for kind, line in lines.items():
        mine = sorted((d for d in stored if d["attendance"] == kind), key=lambda d: d["arrival"])
        assert [d["name"] for d in mine] == [f"Deltager {who}" for who in line.people]
        assert [d["state"] for d in mine] == ["confirmed"] * len(line.seated) + ["waiting"] * len(line.waiting)
    moved_up = [told.signup_id for told in rig.told(SignupPromoted)]
    assert len(set(moved_up)) == len(moved_up)
