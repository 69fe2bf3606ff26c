"""Profiles in any order of commands, against a model: what is in the portal, and what was told at which version."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from services.supplier import messages
from services.supplier.domain import supplier_id
from services.supplier.store import REPOSITORIES, SUPPLIERS
from shared.contracts.base import Envelope
from tests.supplier.builders import registration, update, withdraw
from tests.support.machines import ServiceMachine

CVRS = ("13585628", "24256790", "10150817")
numbers = st.sampled_from(CVRS)
changes = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["Genbrugsværkstedet ApS", "Værkstedet"]),
        "website": st.sampled_from(["https://genbrug.example", "https://viborg.example"]),
        "description": st.sampled_from(["", "Vi gør rent."]),
    },
)


class Portal(ServiceMachine):
    def __init__(self) -> None:
        super().__init__(messages, REPOSITORIES)
        self.active: dict[str, dict[str, Any]] = {}
        self.withdrawn: set[str] = set()
        self.told: dict[str, list[str]] = {}

    @rule(cvr=numbers, said=changes)
    def register(self, cvr: str, said: dict[str, Any]) -> None:
        reply = self.go(self.rig.send(registration(cvr=cvr, **said)))
        assert reply.ok is (cvr not in self.active)
        if reply.ok:
            self.active[cvr] = registration(cvr=cvr, **said).model_dump()
            self.withdrawn.discard(cvr)
            self._tell(cvr, "supplier-registered")
        else:
            assert reply.problem is not None
            assert reply.problem.status == 409

    @rule(cvr=numbers, said=changes)
    def update(self, cvr: str, said: dict[str, Any]) -> None:
        reply = self.go(update(self.rig, None, supplier_id=supplier_id(cvr), **said))
        assert reply.ok is (cvr in self.active)
        if not reply.ok:
            assert reply.problem is not None
            assert reply.problem.status == (409 if cvr in self.withdrawn else 404)
        elif self.active[cvr] | said != self.active[cvr]:
            self.active[cvr] |= said
            self._tell(cvr, "supplier-updated")

    @rule(cvr=numbers)
    def withdraw(self, cvr: str) -> None:
        reply = self.go(withdraw(self.rig, supplier_id(cvr)))
        assert reply.ok is (cvr in self.active or cvr in self.withdrawn)
        if cvr in self.active:
            del self.active[cvr]
            self.withdrawn.add(cvr)
            self._tell(cvr, "supplier-withdrawn")

    @invariant()
    def the_store_is_as_the_model(self) -> None:
        stored = {d["cvr"]: d for d in self.go(self.rig.dump())[SUPPLIERS.name]}
        assert {cvr for cvr, d in stored.items() if d["state"] == "active"} == set(self.active)
        assert {cvr for cvr, d in stored.items() if d["state"] == "withdrawn"} == self.withdrawn
        for cvr, profile in self.active.items():
            assert {name: stored[cvr][name] for name in ("name", "website", "description")} == {
                name: profile[name] for name in ("name", "website", "description")
            }

    @invariant()
    def every_change_was_told_once_at_its_version(self) -> None:
        heard: dict[str, list[Envelope]] = {}
        for envelope in self.rig.events:
            heard.setdefault(envelope.data["cvr"], []).append(envelope)
        assert {cvr: [e.type.split(".")[-2] for e in events] for cvr, events in heard.items()} == self.told
        for events in heard.values():
            assert [e.aggregateversion for e in events] == list(range(1, len(events) + 1))

    def _tell(self, cvr: str, what: str) -> None:
        self.told.setdefault(cvr, []).append(what)


Portal.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
test_portal = Portal.TestCase
