"""Demands and suppliers that come, change and go in any order, against a model: each pair that fits, once, for ever."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, consumes, invariant, multiple, rule

from services.procurement import messages
from services.procurement.store import REPOSITORIES
from shared.contracts.base import Event
from shared.contracts.cpv import related
from tests.procurement.builders import (
    CATERING,
    CLEANING,
    OFFICE_CLEANING,
    close,
    demand,
    kept,
    matched,
    supplier,
    updated,
    withdrawn,
)
from tests.support.harness import done
from tests.support.machines import ServiceMachine

codes = st.sets(st.sampled_from([CLEANING, OFFICE_CLEANING, CATERING]), min_size=1, max_size=2)
names = st.sampled_from(["s1", "s2"])


@dataclass
class Wanted:
    codes: set[str]
    deadline: datetime
    open: bool = True


@dataclass
class Portal:
    """What the supplier service has told: for each supplier its versions, and which of them arrived."""

    told: dict[str, list[set[str]]] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)

    def offers(self, name: str) -> set[str]:
        version = self.newest.get(name)
        return self.told[name][version - 1] if version else set()


class Matching(ServiceMachine):
    """Events wait in `events` and arrive in any order, some of them again and again."""

    demands: Bundle[str] = Bundle("demands")
    events: Bundle[tuple[str, int, Event]] = Bundle("events")

    def __init__(self) -> None:
        super().__init__(messages, REPOSITORIES)
        self.wanted: dict[str, Wanted] = {}
        self.portal = Portal()
        self.expected: set[tuple[str, str]] = set()

    @rule(target=demands, codes=codes, hours=st.integers(1, 48))
    def publish(self, codes: set[str], hours: int) -> str:
        deadline = self.rig.now + timedelta(hours=hours)
        wish = demand(cpv=sorted(codes), deadline=deadline.astimezone(UTC).isoformat())
        name = str(done(self.go(self.rig.send(wish)))["demand_id"])
        self.wanted[name] = Wanted(codes, deadline)
        self._match([name], list(self.portal.newest))
        return name

    @rule(name=demands, outcome=st.sampled_from(["closed", "awarded"]))
    def close(self, name: str, outcome: str) -> None:
        reply = self.go(close(self.rig, name, outcome))
        if self.wanted[name].open:
            assert reply.ok
        self.wanted[name].open = False

    @rule(target=events, name=names, codes=codes, leaves=st.booleans())
    def tell(self, name: str, codes: set[str], *, leaves: bool) -> tuple[str, int, Event]:
        versions = self.portal.told.setdefault(name, [])
        versions.append(set() if leaves else codes)
        news = supplier if len(versions) == 1 else updated
        event: Event = withdrawn(name) if leaves else news(name, *sorted(codes))
        return name, len(versions), event

    @rule(event=events)
    def arrive(self, event: tuple[str, int, Event]) -> None:
        name, version, news = event
        self.go(self.rig.feed(news, version, f"{name}-{version}"))
        self._arrived(name, version)

    @rule(target=events, event=consumes(events))
    def arrive_under_another_id(self, event: tuple[str, int, Event]) -> MultipleResults[tuple[str, int, Event]]:
        name, version, news = event
        self.go(self.rig.feed(news, version))
        self._arrived(name, version)
        return multiple(event)

    @rule(hours=st.integers(1, 24))
    def time_passes(self, hours: int) -> None:
        self.rig.now += timedelta(hours=hours)

    @invariant()
    def each_pair_that_fits_was_matched_and_told_once(self) -> None:
        told = matched(self.rig)
        assert len(told) == len(set(told))
        assert set(told) == self.go(kept(self.rig)) == self.expected

    def _arrived(self, name: str, version: int) -> None:
        self.portal.newest[name] = max(version, self.portal.newest.get(name, 0))
        self._match(list(self.wanted), [name])

    def _match(self, demands: list[str], suppliers: list[str]) -> None:
        for wanted, name in ((d, s) for d in demands for s in suppliers):
            sought = self.wanted[wanted]
            fits = any(related(a, b) for a in sought.codes for b in self.portal.offers(name))
            if fits and sought.open and self.rig.now < sought.deadline:
                self.expected.add((wanted, name))


Matching.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
test_matching = Matching.TestCase
