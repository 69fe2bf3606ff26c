"""Many at once, and what a sign-up costs as an event grows."""

import asyncio
import random
from collections import Counter
from typing import Any, cast

import pytest

from services.events import messages
from services.events.domain import Signup
from services.events.store import EVENTS, REPOSITORIES, SIGNUPS, active_of, in_line, to_come, up_to
from shared.contracts.events import (
    CancelSignup,
    SignUp,
    SignupCancelled,
    SignupConfirmed,
    SignupPromoted,
    SignupWaitlisted,
)
from shared.store.port import Where, serving_index
from shared.store.repository import Repository
from tests.events.builders import LINKS, announced, cancel, meeting, on_site_only, person, seats, signed_up
from tests.support.harness import Harness, done, harness
from tests.support.watched import Counting

WHO = {"event_id": "e", "name": "A", "email": "asta@forening.example", "attendance": "on-site", "language": "da"}


async def test_two_hundred_at_once_in_order_of_arrival(rig):
    event_id = await announced(rig, meeting(capacity_on_site=14, capacity_online=4))
    wishes = [person(event_id, n, "online" if n % 4 == 0 else "on-site") for n in range(200)]
    results = [done(reply) for reply in await asyncio.gather(*(rig.send(wish) for wish in wishes))]

    for attendance, capacity, total in (("on-site", 14, 150), ("online", 4, 50)):
        mine = [r for wish, r in zip(wishes, results, strict=True) if wish.attendance == attendance]
        assert [r["state"] for r in mine] == ["confirmed"] * capacity + ["waiting"] * (total - capacity)
        assert [r["position"] for r in mine[capacity:]] == list(range(1, total - capacity + 1))
    assert await seats(rig, event_id) == {"on_site": (14, 136), "online": (4, 46)}
    assert len(rig.told(SignupConfirmed)) == 18
    assert len(rig.told(SignupWaitlisted)) == 182
    assert len({event.id for event in rig.events}) == 201


async def test_two_processes_over_one_store(rig):
    """No lock in common: the conditional write alone keeps the seats."""
    other = Harness(messages, REPOSITORIES, rig.store, LINKS)
    event_id = await announced(rig)
    wishes = [person(event_id, n) for n in range(60)]
    both = [(rig, other)[n % 2].send(wish) for n, wish in enumerate(wishes)]
    results = [done(reply) for reply in await asyncio.gather(*both)]

    assert Counter(r["state"] for r in results) == {"confirmed": 14, "waiting": 46}
    assert sorted(r["position"] for r in results if r["position"]) == list(range(1, 47))
    assert len(rig.events) + len(other.events) == 61


async def test_the_same_person_many_times_at_once(rig):
    other = Harness(messages, REPOSITORIES, rig.store, LINKS)
    event_id = await announced(rig)
    replies = await asyncio.gather(*((rig, other)[n % 2].send(person(event_id, 1)) for n in range(20)))

    assert len({done(reply)["signup_id"] for reply in replies}) == 1
    assert await seats(rig, event_id) == {"on_site": (1, 0), "online": (0, 0)}


async def test_signing_up_and_cancelling_at_once(rig):
    event_id = await announced(rig, on_site_only(10))
    ids = await signed_up(rig, event_id, *range(30))
    messages_sent = [CancelSignup(signup_id=each) for each in ids[:20]] + [person(event_id, n) for n in range(30, 60)]
    random.Random(7).shuffle(messages_sent)
    for reply in await asyncio.gather(*(rig.send(message) for message in messages_sent)):
        done(reply)

    assert await seats(rig, event_id) == {"on_site": (10, 30), "online": (0, 0)}
    # Who was there first and stayed has a seat; whoever moved up on the way is told so once.
    holders = await rig.store.find(SIGNUPS.collection, in_line(event_id, "on-site", "confirmed"), order="arrival")
    assert [holder["_id"] for holder in holders] == ids[20:]
    promoted, cancelled = rig.told(SignupPromoted), rig.told(SignupCancelled)
    assert len({told.signup_id for told in promoted}) == len(promoted)
    assert sum(told.had_seat for told in cancelled) == len(promoted)


@pytest.fixture
async def counted():
    async with harness(messages, REPOSITORIES, LINKS, wrap=Counting) as running:
        yield running


async def test_the_cost_of_one_stays_flat_as_the_event_grows(counted):
    rig, store = counted, cast("Any", counted.store)
    event_id = await announced(rig, on_site_only(10))
    costs, sizes = [], []
    for crowd in (range(20), range(20, 220)):
        ids = await signed_up(rig, event_id, *crowd)
        store.calls.clear()
        await rig.send(person(event_id, crowd[-1]))  # how it stands
        await signed_up(rig, event_id, 1000 + crowd[-1])  # a new one
        await cancel(rig, ids[-1])  # one who waits
        await cancel(
            rig, (await store.find(SIGNUPS.collection, in_line(event_id, "on-site", "confirmed"), limit=1))[0]["_id"]
        )
        costs.append(dict(store.calls))
        sizes.append(len(str(await store.get(EVENTS.collection, event_id))))

    assert costs[0] == costs[1]
    assert sum(costs[0].values()) < 40
    assert abs(sizes[0] - sizes[1]) < 20  # digits of the counters


async def executed(rig, event_id: str, numbers: range) -> set[str]:
    """Signed up by the executor alone: nothing is relayed."""
    handler = messages.COMMANDS[SignUp]
    replies = await asyncio.gather(
        *(rig.executor.execute(person(event_id, n), handler, id=f"m{n}", source="/events/pages") for n in numbers)
    )
    return {done(reply)["state"] for reply in replies}


async def test_sixty_four_at_once_cost_six_round_trips(rig, trips):
    event_id = await announced(rig, on_site_only(100))
    trips.clear()
    assert await executed(rig, event_id, range(64)) == {"confirmed"}
    await rig.relayed()
    # The event; who has a sign-up; the inbox; the write; what is taken out of it.
    assert trips.total() <= 6, trips


async def test_every_query_is_served_by_an_index(rig):
    signup = Signup.model_validate({"id": "s", "state": "waiting", "arrival": 3, "signed_up_at": rig.now} | WHO)
    queries: list[tuple[Repository[Any], Where, str | None]] = [
        (SIGNUPS, active_of(["asta@forening.example", "bo@forening.example"], "e"), None),
        (SIGNUPS, in_line("e", "on-site", "confirmed"), "arrival"),
        (SIGNUPS, up_to(signup), None),
        (EVENTS, to_come(rig.now), "starts"),
    ]
    for repository, where, order in queries:
        plan = await rig.store.explain(repository.collection, where, order)
        index = serving_index(repository.collection, where, order)
        assert index is not None
        assert index.name in plan


async def test_what_the_relay_has_not_taken_out_yet_costs_the_next_ones_nothing(rig, trips):
    """It stands in the document that they load, and is written already."""
    event_id = await announced(rig, on_site_only(100))
    await executed(rig, event_id, range(20))
    event = await rig.store.get(EVENTS.collection, event_id)
    assert len(event["beside"]) == 20
    trips.clear()
    await executed(rig, event_id, range(20, 21))
    alone = +trips
    await rig.sweep()
    trips.clear()
    await executed(rig, event_id, range(21, 22))
    assert alone == trips


async def test_what_another_process_left_is_written_by_who_loads_it(rig):
    other = Harness(messages, REPOSITORIES, rig.store, LINKS)
    event_id = await announced(rig, on_site_only(100))
    await executed(rig, event_id, range(5))
    await rig.store.delete(SIGNUPS.collection, {})  # as if it had died before it wrote them
    await executed(other, event_id, range(5, 6))
    assert await rig.store.count(SIGNUPS.collection, {}) == 6
