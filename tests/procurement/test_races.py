"""A demand and a supplier that come at the same moment; a process that dies between any two steps."""

import asyncio
from datetime import timedelta
from itertools import count
from typing import Any, cast

import pytest

from services.procurement import messages
from services.procurement.store import REPOSITORIES
from shared.contracts.procurement import DemandPublished, SupplierMatched
from shared.store.errors import Unavailable
from shared.store.port import Store
from tests.procurement.builders import CLEANING, OFFICE_CLEANING, beside, demand, kept, matched, published, supplier
from tests.procurement.stores import Failing, Gated
from tests.support.harness import Harness, done, harness


def gated(rig: Harness, *collections: str) -> tuple[Harness, Gated]:
    """Another process of the service whose searches wait at a gate."""
    store = Gated(rig.store, *collections)
    other = Harness(messages, REPOSITORIES, cast("Store", store), None)
    other.events = rig.events
    return other, store


async def test_when_both_are_written_before_either_is_searched_they_match_once(rig):
    buying, suppliers = gated(rig, "suppliers")
    supplying, demands = gated(rig, "demands")
    publishing = asyncio.create_task(buying.send(demand()))
    feeding = asyncio.create_task(supplying.feed(supplier("s1", CLEANING)))
    await suppliers.waiting.acquire()
    await demands.waiting.acquire()

    suppliers.gate.set()
    demands.gate.set()

    demand_id = done(await publishing)["demand_id"]
    await feeding
    assert matched(rig) == [(demand_id, "s1")]


async def test_a_supplier_that_comes_before_the_search_of_a_demand_is_matched_once(rig):
    buying, suppliers = gated(rig, "suppliers")
    publishing = asyncio.create_task(buying.send(demand()))
    await suppliers.waiting.acquire()

    await rig.feed(supplier("s1", CLEANING))
    suppliers.gate.set()

    assert matched(rig) == [(done(await publishing)["demand_id"], "s1")]


async def test_a_demand_that_comes_before_the_search_of_a_supplier_is_matched_once(rig):
    supplying, demands = gated(rig, "demands")
    feeding = asyncio.create_task(supplying.feed(supplier("s1", CLEANING)))
    await demands.waiting.acquire()

    demand_id = await published(rig)
    demands.gate.set()
    await feeding

    assert matched(rig) == [(demand_id, "s1")]


async def test_many_of_both_at_once_all_match_once(rig):
    rigs = [rig, beside(rig), beside(rig)]
    sending: list[Any] = []
    for n in range(15):
        sending += [rigs[n % 3].send(demand()), rigs[(n + 1) % 3].feed(supplier(f"s{n}", OFFICE_CLEANING))]

    await asyncio.gather(*sending)

    assert len(matched(rig)) == 15 * 15
    assert set(matched(rig)) == await kept(rig)
    assert len(await kept(rig)) == 15 * 15


@pytest.mark.parametrize("message", ["publish-demand", "supplier-registered"])
async def test_after_a_crash_between_any_two_steps_it_is_done_once(message):
    for step in count():
        async with harness(messages, REPOSITORIES, wrap=_failing) as rig:
            await rig.feed(supplier("s1", CLEANING))
            if message == "supplier-registered":
                await published(rig)
                await rig.feed(supplier("s2", CLEANING))
            cast("Failing", rig.store).at = step
            crashed = await _twice(rig, message)

            # The relay may send an event again after a crash: with the same id, so that consumers drop it.
            told = {e.id: e.type for e in rig.events}
            pairs = 1 if message == "publish-demand" else 3  # each of the suppliers with the one demand
            assert sorted(told.values()) == [DemandPublished.type()] + [SupplierMatched.type()] * pairs, step
            assert set(matched(rig)) == await kept(rig), step
            assert len(await kept(rig)) == pairs, step
        if not crashed:
            assert step > 5
            return


async def test_a_demand_written_in_time_is_answered_also_when_a_crash_made_its_answer_late():
    async with harness(messages, REPOSITORIES, wrap=_failing) as rig:
        cast("Failing", rig.store).at = 4  # the demand is written; the search for suppliers does not come about
        with pytest.raises(Unavailable):
            await rig.send(demand(), "publish-1")
        await rig.sweep()
        [told] = rig.told(DemandPublished)
        rig.now += timedelta(days=365)

        assert done(await rig.send(demand(), "publish-1"))["demand_id"] == told.demand_id


async def _twice(rig: Harness, message: str) -> bool:
    """Bring the message; where the process dies, start again: the sweep, then the message once more."""

    async def bring() -> None:
        if message == "publish-demand":
            done(await rig.send(demand(), "m1"))
        else:
            await rig.feed(supplier("s3", CLEANING), 1, "m1")

    try:
        await bring()
    except Unavailable:
        await rig.sweep()
        await bring()
        return True
    return False


def _failing(store: Store) -> Store:
    return cast("Store", Failing(store))
