import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.procurement import messages
from services.procurement.store import REPOSITORIES, SUPPLIERS
from shared.contracts.base import Event
from tests.procurement.builders import (
    CATERING,
    CLEANING,
    PRINTING,
    beside,
    kept,
    matched,
    published,
    supplier,
    updated,
    withdrawn,
)
from tests.support.harness import Harness, harness, refused

HISTORY: list[Event] = [
    supplier("s1", CATERING),
    updated("s1", CATERING, CLEANING),
    withdrawn("s1"),
    supplier("s1", PRINTING, name="Tilbage ApS"),
    updated("s1", PRINTING, name="Tilbage og omdøbt ApS"),
]


async def copy_of(rig: Harness) -> dict[str, object]:
    document = await rig.store.get(SUPPLIERS.collection, "s1")
    assert document is not None
    return document


async def test_the_newest_version_is_kept(rig):
    await rig.feed(updated("s1", CLEANING, name="Ny ApS"), 7)

    await rig.feed(supplier("s1", CATERING, name="Gammel ApS"), 6)

    assert (await copy_of(rig))["name"] == "Ny ApS"


async def test_an_older_event_does_not_bring_back_who_left(rig):
    await published(rig)
    await rig.feed(withdrawn("s1"), 2)

    await rig.feed(supplier("s1", CLEANING), 1)

    assert (await copy_of(rig))["version"] == 2
    assert matched(rig) == []


async def test_an_older_event_matches_nothing_by_what_it_says(rig):
    await rig.feed(updated("s1", CATERING), 2)
    await published(rig)

    await rig.feed(supplier("s1", CLEANING), 1)

    assert matched(rig) == []


async def test_of_who_left_no_data_stay(rig):
    await rig.feed(supplier("s1", CLEANING), 1)

    await rig.feed(withdrawn("s1"), 2)

    document = await copy_of(rig)
    assert {k for k, v in document.items() if v not in ("", [], None)} <= {"_id", "version", "format", "language"}


async def test_an_event_without_a_version_is_refused(rig):
    # What a consumer gets from a publisher that is not this project's: it goes to the dead letters with this reason.
    reply = await rig.feed(supplier("s1", CLEANING), None)

    assert "is missing" in refused(reply, 422)["aggregateversion"]


async def test_fields_of_a_newer_publisher_are_ignored(rig):
    newer = type(supplier("s1")).model_validate(supplier("s1", CLEANING).model_dump() | {"rating": 5})
    demand_id = await published(rig)

    await rig.feed(newer)

    assert matched(rig) == [(demand_id, "s1")]


@pytest.mark.parametrize("twice", ["same id", "other id"])
async def test_an_event_that_comes_twice_changes_nothing(rig, twice):
    await published(rig)
    await rig.feed(supplier("s1", CLEANING), 1, "event-1")
    before, told = await rig.dump(), list(rig.events)

    await rig.feed(supplier("s1", CLEANING), 1, "event-1" if twice == "same id" else "event-2")

    assert await rig.dump() == before
    assert rig.events == told


@given(st.permutations([*enumerate(HISTORY, 1)] * 2), st.integers(0, len(HISTORY)))
@settings(max_examples=25, deadline=None)
async def test_in_any_order_and_twice_the_same_copy_is_kept_and_nobody_is_matched_twice(arrivals, last):
    async with harness(messages, REPOSITORIES) as rig:
        demand_id = await published(rig, cpv=[CATERING])
        for version, event in arrivals:
            if version <= last:
                await rig.feed(event, version, f"event-{version}")

        assert await rig.dump(SUPPLIERS) == await _in_order(last)
        assert matched(rig) in ([], [(demand_id, "s1")])
        assert await kept(rig) == set(matched(rig))


async def test_side_by_side_in_several_processes_the_newest_is_kept(rig):
    demand_id = await published(rig)
    rigs = [rig, beside(rig), beside(rig), beside(rig)]
    events = [(n, updated("s1", CLEANING, name=f"Navn {n}")) for n in range(1, 51)] * 3
    random.Random(3).shuffle(events)

    await asyncio.gather(*(rigs[i % 4].feed(event, version) for i, (version, event) in enumerate(events)))

    assert ((await copy_of(rig))["name"], (await copy_of(rig))["version"]) == ("Navn 50", 50)
    assert matched(rig) == [(demand_id, "s1")]


async def _in_order(last: int) -> dict[str, list[dict[str, object]]]:
    async with harness(messages, REPOSITORIES) as rig:
        for version, event in enumerate(HISTORY[:last], 1):
            await rig.feed(event, version)
        return await rig.dump(SUPPLIERS)
