"""Erasure on both kinds of stores, beside what goes on at the same time, and by another process of the service."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import pytest

from services.events import messages
from services.events.store import EVENTS, REPOSITORIES
from shared.contracts.base import Envelope
from shared.contracts.events import SignUp
from shared.contracts.person import ERASED_ADDRESS
from shared.persons import erased, erasing
from shared.store.port import Collection, Store
from shared.store.sqlite import SqliteStore
from shared.store.work import ERASED, INBOX, OWN_COLLECTIONS
from tests.events.builders import LINKS, announced, on_site_only, person, seats, signed_up
from tests.support.harness import NOW, Harness
from tests.support.persons import at_once, erase, export, traces
from tests.support.running import until

__all__ = ["at_once"]
ONE = "deltager1@forening.example"


@pytest.fixture
def collections() -> Sequence[Collection]:
    return [*(r.collection for r in REPOSITORIES), *OWN_COLLECTIONS]


@pytest.fixture
def rig(store: Store) -> Harness:
    return Harness(messages, REPOSITORIES, store, LINKS)


@pytest.mark.usefixtures("at_once")
async def test_on_every_store(rig: Harness):
    event = await announced(rig, on_site_only(1, description=f"Spørg {ONE}"))
    await signed_up(rig, event, 1, 2)
    assert set((await export(rig, ONE))["about"]) == {"signups"}
    result = await erase(rig, ONE)
    assert (result["erased"], result["masked"], result["left"]) == ({"signups": 1}, {"events": 1}, 0)
    assert (await seats(rig, event))["on_site"] == (1, 0)
    assert await traces(rig, ONE, "Deltager 1") == []
    left = await export(rig, ONE)
    assert (set(left["about"]), left["mentions"]) == ({"erased"}, {}), "that somebody was erased, and when"


@pytest.mark.usefixtures("at_once")
async def test_the_files_hold_nothing_of_what_was_erased(rig: Harness):
    store = rig.store
    if not isinstance(store, SqliteStore):
        pytest.skip("MongoDB has no means to give its free space back at once: docs/privacy.md")
    event = await announced(rig, on_site_only(5))
    await signed_up(rig, event, 1, 2)

    def files() -> bytes:
        return b"".join(path.read_bytes() for path in store.path.parent.glob(f"{store.path.name}*"))

    assert b"deltager1@forening" in files()
    await erase(rig, ONE)
    assert b"deltager1@forening" not in files()
    assert b"deltager2@forening" in files()
    assert (await rig.send(person(event, 3))).ok, "the store works on"


async def commands(rig: Harness) -> list[str]:
    """Those that the inbox knows."""
    return [d["_id"] async for d in rig.store.everything(INBOX) if d["_id"].startswith("events.commands:")]


@pytest.mark.usefixtures("at_once")
async def test_neither_command_leaves_anything_in_the_inbox(rig: Harness):
    event = await announced(rig)
    await signed_up(rig, event, 1)
    before = await commands(rig)
    await export(rig, ONE)
    await erase(rig, ONE)
    assert await commands(rig) == before


async def test_a_command_that_is_in_hand_meanwhile_does_not_stay(rig: Harness, monkeypatch: pytest.MonkeyPatch):
    """It was looked at before the person was marked, and is written after the first look."""
    monkeypatch.setattr(erasing, "GRACE_SECONDS", 1.0)
    event = await announced(rig)
    gate = Gate(rig.store)
    other = Harness(messages, REPOSITORIES, cast("Store", gate), LINKS)  # another process
    signing = asyncio.create_task(other.send(person(event, 1)))
    await gate.reached.wait()
    erasure = asyncio.create_task(erase(rig, ONE))

    async def marked() -> int:
        return await rig.store.count(ERASED, {})

    await until(marked)
    gate.opened.set()
    assert (await signing).ok
    assert (await erasure)["erased"] == {"signups": 1}
    assert await traces(rig, ONE, "Deltager 1") == []


async def test_another_process_learns_of_it(rig: Harness, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(erasing, "GRACE_SECONDS", 0.0)
    event = await announced(rig)
    other = Harness(messages, REPOSITORIES, rig.store, LINKS)
    assert (await other.send(person(event, 2))).ok  # it has read the list, which is empty
    await erase(rig, ONE)
    monkeypatch.setattr(erased, "FRESH_SECONDS", 0.0)
    old = Envelope(
        id="old", source="/integrator", type=SignUp.type(), time=NOW, data=person(event, 1).model_dump(mode="json")
    )
    reply = await other.take(old)
    assert reply.problem is not None
    assert reply.problem.status == 410


@pytest.mark.usefixtures("at_once")
async def test_a_text_in_an_older_message_is_masked_and_the_message_counts(rig: Harness):
    await erase(rig, ONE)
    command = on_site_only(1, description=f"Spørg *Deltager1@FORENING.example*, eller x{ONE}")
    envelope = Envelope(
        id="old",
        source="/integrator",
        type=command.type(),
        time=NOW - timedelta(minutes=1),
        data=command.model_dump(mode="json"),
    )
    for _ in range(2):  # the same again gives the same reply: it is known by what was sent
        reply = await rig.take(envelope)
        assert reply.ok, reply.problem
    (document,) = [d async for d in rig.store.everything(EVENTS.collection)]
    assert document["description"] == f"Spørg *{ERASED_ADDRESS}*, eller x{ONE}"


@pytest.mark.usefixtures("at_once")
async def test_where_nobody_was_erased_it_costs_nothing(rig: Harness, monkeypatch: pytest.MonkeyPatch):
    event = await announced(rig)
    looks = 0
    find = rig.store.find

    async def counted(collection: Collection, *args: Any, **more: Any) -> Any:
        nonlocal looks
        looks += collection.name == ERASED.name
        return await find(collection, *args, **more)

    monkeypatch.setattr(rig.store, "find", counted)
    monkeypatch.setattr(erased, "FRESH_SECONDS", 3600.0)
    await signed_up(rig, event, *range(2, 12))
    assert looks == 0, "the list in memory is fresh"


@pytest.mark.usefixtures("at_once")
async def test_two_at_once_end_alike(rig: Harness):
    event = await announced(rig, on_site_only(1))
    await signed_up(rig, event, 1, 2)
    other = Harness(messages, REPOSITORIES, rig.store, LINKS)
    results = await asyncio.gather(erase(rig, ONE), erase(other, ONE))
    assert sum(result["erased"].get("signups", 0) for result in results) == 1
    assert (await seats(rig, event))["on_site"] == (1, 0)
    assert await traces(rig, ONE, "Deltager 1") == []


class Gate:
    """Holds the first write to the sign-ups' event until it is opened."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return self._held if name == "save" else getattr(self._store, name)

    async def _held(self, *args: Any, **more: Any) -> Any:
        self.reached.set()
        await self.opened.wait()
        return await self._store.save(*args, **more)
