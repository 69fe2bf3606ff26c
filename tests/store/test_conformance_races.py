"""Many at once: exactly as many win as may."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta

import pytest

from shared.store.errors import Duplicate, Stale
from shared.store.port import PENDING, Between, Put, Store, Trim
from tests.store.data import THINGS, ids, thing

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
SEATS = 30


@pytest.fixture
def crowd(server_kind: str) -> int:
    """How many come at once: mongoeco is slow."""
    return 100 if server_kind == "mongoeco" else 400


async def test_seats_given_by_saves_on_a_version_are_given_once_each(store: Store, crowd: int) -> None:
    await store.insert(THINGS, thing("event", taken=0))

    async def sign_up(person: int) -> bool:
        while True:
            event = await store.get(THINGS, "event")
            assert event is not None
            if event["taken"] == SEATS:
                return False
            version = event["version"]
            fields = {"version": version + 1, "taken": event["taken"] + 1}
            try:
                await store.save(THINGS, "event", fields, version=version, push={"outbox": [{"id": str(person)}]})
            except Stale:
                continue
            return True

    won = [person for person, seat in enumerate(await asyncio.gather(*map(sign_up, range(crowd)))) if seat]
    event = await store.get(THINGS, "event")
    assert event is not None
    assert len(won) == SEATS
    assert (event["taken"], event["version"]) == (SEATS, SEATS + 1)
    assert sorted(int(entry["id"]) for entry in event["outbox"]) == won


async def test_seats_given_by_a_condition_are_given_once_each(store: Store, crowd: int) -> None:
    await store.insert(THINGS, thing("event", taken=0))
    where = {"_id": "event", "taken": Between(below=SEATS)}
    done = await asyncio.gather(*(store.update(THINGS, where, increment={"taken": 1}) for _ in range(crowd)))
    assert sorted(event["taken"] for event in done if event) == list(range(1, SEATS + 1))


async def test_seats_that_are_documents_are_given_once_each(store: Store, crowd: int) -> None:
    await store.insert_many(THINGS, [thing(f"seat{n:02}", state="free") for n in range(SEATS)])

    async def take(person: int) -> str | None:
        seat = await store.update(THINGS, {"state": "free"}, set={"state": "taken", "by": person})
        return str(seat["_id"]) if seat else None

    taken = [seat for seat in await asyncio.gather(*map(take, range(crowd))) if seat]
    assert sorted(taken) == [f"seat{n:02}" for n in range(SEATS)]


async def test_a_unique_key_is_taken_once(store: Store, crowd: int) -> None:
    async def insert(number: int) -> bool:
        try:
            await store.insert(THINGS, thing(f"{number}", event="e", seat=number % SEATS))
        except Duplicate:
            return False
        return True

    assert sum(await asyncio.gather(*map(insert, range(crowd)))) == SEATS
    assert await store.count(THINGS, {"event": "e"}) == SEATS


async def test_of_puts_in_any_order_the_newest_stays(store: Store) -> None:
    versions = [n * 7 % 40 + 1 for n in range(40)]
    await asyncio.gather(*(store.put(THINGS, [Put("a", {"version": v, "n": v})]) for v in versions))
    assert await store.get(THINGS, "a") == {"_id": "a", "version": 40, "n": 40}


async def test_nothing_pushed_is_lost_while_others_trim(store: Store) -> None:
    await store.insert(THINGS, thing("a"))

    async def push(number: int) -> None:
        while True:
            found = await store.get(THINGS, "a")
            assert found is not None
            version = found["version"]
            try:
                await store.save(
                    THINGS,
                    "a",
                    {"version": version + 1, PENDING: NOW},
                    version=version,
                    push={"outbox": [{"id": str(number)}]},
                )
                return
            except Stale:
                continue

    async def push_and_trim(number: int) -> None:
        await push(number)
        if number % 2:
            await store.trim(THINGS, [Trim("a", {"outbox": [str(number)]})])

    await asyncio.gather(*map(push_and_trim, range(20)))
    found = await store.get(THINGS, "a")
    assert found is not None
    assert sorted(int(entry["id"]) for entry in found["outbox"]) == list(range(0, 20, 2))
    assert found[PENDING] == NOW
    await store.trim(THINGS, [Trim("a", {"outbox": [str(n) for n in range(20)]})])
    assert await store.find(THINGS, {PENDING: Between(at_most=NOW)}) == []


async def _due(store: Store, count: int) -> None:
    await store.insert_many(
        THINGS, [thing(f"{n:03}", event="mail", due=NOW - timedelta(seconds=count - n)) for n in range(count)]
    )


async def test_a_claim_takes_the_earliest_that_are_due_and_marks_them(store: Store) -> None:
    await _due(store, 5)
    await store.insert(THINGS, thing("future", event="mail", due=NOW + timedelta(seconds=1)))
    await store.insert(THINGS, thing("exactly", event="mail", due=NOW))
    await store.insert(THINGS, thing("never", event="mail", due=None))
    await store.insert(THINGS, thing("other", event="other", due=NOW))
    claimed = await store.claim(THINGS, {"event": "mail"}, due="due", now=NOW, until=LATER, by="me", limit=3)
    assert claimed == [thing(f"00{n}", event="mail", due=LATER, claimed_by="me") for n in range(3)]
    claimed = await store.claim(THINGS, {"event": "mail"}, due="due", now=NOW, until=LATER, by="you", limit=9)
    assert ids(claimed) == ["003", "004", "exactly"]
    assert await store.get(THINGS, "exactly") == thing("exactly", event="mail", due=LATER, claimed_by="you")
    assert await store.claim(THINGS, {"event": "mail"}, due="due", now=NOW, until=LATER, by="me", limit=9) == []
    assert await store.claim(THINGS, {"event": "other"}, due="due", now=NOW, until=LATER, by="me", limit=0) == []


async def test_a_lease_that_ended_can_be_claimed_again(store: Store) -> None:
    await _due(store, 1)
    await store.claim(THINGS, {"event": "mail"}, due="due", now=NOW, until=LATER, by="first", limit=1)
    just_before = LATER - timedelta(milliseconds=1)
    assert await store.claim(THINGS, {"event": "mail"}, due="due", now=just_before, until=LATER, by="b", limit=1) == []
    again = await store.claim(
        THINGS, {"event": "mail"}, due="due", now=LATER, until=LATER + timedelta(minutes=5), by="second", limit=1
    )
    assert [document["claimed_by"] for document in again] == ["second"]


async def test_two_claimers_never_have_the_same(store: Store) -> None:
    await _due(store, 60)

    async def work(by: str) -> list[str]:
        mine: list[str] = []
        while some := await store.claim(THINGS, {"event": "mail"}, due="due", now=NOW, until=LATER, by=by, limit=7):
            assert all(document["claimed_by"] == by for document in some)
            mine += ids(some)
        return mine

    taken = await asyncio.gather(*(work(by) for by in ("a", "b", "c", "d")))
    assert sorted(itertools.chain.from_iterable(taken)) == [f"{n:03}" for n in range(60)]
