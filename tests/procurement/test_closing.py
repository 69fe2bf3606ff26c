import asyncio
from datetime import timedelta

import pytest

from shared.contracts.procurement import CloseDemand, DemandClosed
from tests.procurement.builders import CLEANING, beside, close, document, kept, matched, published, supplier
from tests.support.harness import NOW, done, refused

OUTCOMES = ["closed", "awarded", "unsuccessful", "cancelled"]


@pytest.mark.parametrize("outcome", OUTCOMES)
async def test_it_is_told_with_its_outcome(rig, outcome):
    demand_id = await published(rig)

    assert done(await close(rig, demand_id, outcome)) == {"demand_id": demand_id}

    [told] = rig.told(DemandClosed)
    assert told.model_dump() == {
        "demand_id": demand_id,
        "title": "Rengøring af tre daginstitutioner",
        "outcome": outcome,
    }
    assert rig.events[-1].aggregateversion == 2
    stored = await document(rig, demand_id)
    assert (stored["state"], stored["closed_at"]) == (outcome, NOW)


async def test_without_an_outcome_it_is_closed(rig):
    demand_id = await published(rig)

    await rig.send(CloseDemand(demand_id=demand_id))

    assert rig.told(DemandClosed)[0].outcome == "closed"


async def test_a_closed_demand_takes_no_more_matches_and_keeps_those_it_has(rig):
    await rig.feed(supplier("s1", CLEANING))
    demand_id = await published(rig)
    await close(rig, demand_id)

    await rig.feed(supplier("s2", CLEANING))

    assert await kept(rig) == {(demand_id, "s1")}
    assert matched(rig) == [(demand_id, "s1")]


async def test_closing_again_changes_nothing(rig):
    demand_id = await published(rig)
    first = await close(rig, demand_id, "awarded")
    before = await rig.dump()
    rig.now += timedelta(days=1)

    assert await close(rig, demand_id, "awarded") == first
    assert await rig.dump() == before
    assert len(rig.told(DemandClosed)) == 1


@pytest.mark.parametrize("first", OUTCOMES)
async def test_the_first_outcome_stands(rig, first):
    demand_id = await published(rig)
    await close(rig, demand_id, first)

    for other in set(OUTCOMES) - {first}:
        reply = await close(rig, demand_id, other)
        refused(reply, 409)
        assert reply.problem is not None
        assert first in reply.problem.detail
    assert (await document(rig, demand_id))["state"] == first


async def test_the_outcome_can_be_told_after_the_deadline(rig):
    demand_id = await published(rig)
    rig.now += timedelta(days=365)
    await rig.feed(supplier("s1", CLEANING))  # takes the demand out of the search

    done(await close(rig, demand_id, "awarded"))

    assert [t.outcome for t in rig.told(DemandClosed)] == ["awarded"]


async def test_of_different_outcomes_at_once_one_stands(rig):
    demand_id = await published(rig)
    rigs = [rig, beside(rig), beside(rig), beside(rig)]

    replies = await asyncio.gather(*(close(r, demand_id, o) for r, o in zip(rigs, OUTCOMES, strict=True)))

    assert [r.ok for r in replies].count(True) == 1
    assert len(rig.told(DemandClosed)) == 1
    assert (await document(rig, demand_id))["state"] == rig.told(DemandClosed)[0].outcome


async def test_an_unknown_demand_is_not_found(rig):
    reply = await close(rig, "nothing")

    refused(reply, 404)
    assert reply.problem is not None
    assert "nothing" in reply.problem.detail


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "demand_id"),
        ({"demand_id": "opgaven med rengøring"}, "demand_id"),
        ({"demand_id": "d1", "outcome": "vundet"}, "outcome"),
        ({"demand_id": "d1", "outcome": "published"}, "outcome"),
        ({"demand_id": "d1", "winner": "s1"}, "winner"),
    ],
)
async def test_what_a_hurried_person_sends_is_refused_by_the_name_of_the_field(rig, data, field):
    assert field in refused(await rig.send_data(CloseDemand, data), 422)
