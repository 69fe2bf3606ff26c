from datetime import UTC, datetime, timedelta

import pytest

from services.procurement.store import DEMANDS, MATCHES, SUPPLIERS
from shared.contracts.aggregate import Aggregate
from shared.contracts.procurement import SupplierMatched
from shared.store.port import Has
from shared.store.repository import Repository
from shared.store.work import Work
from tests.procurement.builders import (
    CATERING,
    CLEANING,
    CLEANING_WANTED,
    OFFICE_CLEANING,
    PRINTING,
    copy,
    kept,
    matched,
    published,
    supplier,
    updated,
    withdrawn,
)
from tests.support.harness import Harness

FITS = [
    ("90910000", "90910000"),  # the same
    ("90910000", "90919200"),  # the supplier's is below
    ("90919200", "90910000"),  # the supplier's is above
    ("90000000", "90919200"),  # a division, five levels above
    ("90919200", "90000000"),
    ("30000000", "30190000"),  # a division whose number ends in 0
]
FITS_NOT = [
    ("90910000", "55500000"),  # another division
    ("90919200", "90919300"),  # siblings
    ("90910000", "90920000"),
    ("30000000", "03000000"),
]


@pytest.mark.parametrize("demand_first", [True, False], ids=["demand first", "supplier first"])
@pytest.mark.parametrize(("wanted", "offered", "fits"), [(*p, True) for p in FITS] + [(*p, False) for p in FITS_NOT])
async def test_codes_fit_in_line_and_in_both_directions(rig, wanted, offered, fits, demand_first):
    if not demand_first:
        await rig.feed(supplier("s1", offered))
    demand_id = await published(rig, cpv=[wanted])
    if demand_first:
        await rig.feed(supplier("s1", offered))

    assert matched(rig) == ([(demand_id, "s1")] if fits else [])
    assert await kept(rig) == set(matched(rig))


async def test_the_match_tells_both_sides_and_the_offerings_that_fit(rig):
    demand_id = await published(rig, cpv=[CLEANING, CATERING], description="Hver dag")

    await rig.feed(supplier("s1", PRINTING, OFFICE_CLEANING, None, "55523000", language="en"), id="event-1")

    [told] = rig.told(SupplierMatched)
    assert told.model_dump(exclude={"match_id"}) == {
        "demand_id": demand_id,
        "title": "Rengøring af tre daginstitutioner",
        "deadline": datetime(2027, 3, 1, 11, tzinfo=UTC),
        "description": "Hver dag",
        "buyer": CLEANING_WANTED["buyer"] | {"language": "da"},
        "supplier": {
            "supplier_id": "s1",
            "cvr": "13585628",
            "name": "Leverandør s1",
            "email": "s1@leverandor.example",
            "municipality": "0751",
            "offerings": ("Tilbud 90919200", "Tilbud 55523000"),
            "language": "en",
        },
    }
    envelope = rig.events[-1]
    assert (envelope.subject, envelope.aggregateversion) == (told.match_id, 1)
    assert (envelope.causationid, envelope.correlationid) == ("event-1", "event-1")


async def test_an_offering_without_a_code_is_not_matched(rig):
    await published(rig)

    await rig.feed(supplier("s1", None, CATERING))

    assert matched(rig) == []


async def test_a_pair_is_matched_once_for_ever(rig):
    demand_id = await published(rig)
    await rig.feed(supplier("s1", CLEANING), 1)
    await rig.feed(updated("s1", OFFICE_CLEANING), 2)
    await rig.feed(withdrawn("s1"), 3)
    await rig.feed(supplier("s1", CLEANING), 4)

    assert matched(rig) == [(demand_id, "s1")]


async def test_a_new_offering_may_fit(rig):
    demand_id = await published(rig)
    await rig.feed(supplier("s1", CATERING), 1)

    await rig.feed(updated("s1", CATERING, CLEANING), 2)

    assert matched(rig) == [(demand_id, "s1")]


async def test_a_supplier_that_left_is_not_matched_until_it_is_back(rig):
    await rig.feed(supplier("s1", CLEANING), 1)
    await rig.feed(withdrawn("s1"), 2)
    demand_id = await published(rig)
    assert matched(rig) == []

    await rig.feed(supplier("s1", CLEANING), 3)

    assert matched(rig) == [(demand_id, "s1")]


async def test_a_match_stays_when_the_supplier_leaves(rig):
    await rig.feed(supplier("s1", CLEANING), 1)
    demand_id = await published(rig)

    await rig.feed(withdrawn("s1"), 2)

    assert await kept(rig) == {(demand_id, "s1")}
    assert matched(rig) == [(demand_id, "s1")]


@pytest.mark.parametrize(("before", "fits"), [(timedelta(milliseconds=1), True), (timedelta(), False)])
async def test_matching_stops_at_the_deadline(rig, before, fits):
    deadline = rig.now + timedelta(days=10)
    await published(rig, deadline=deadline)

    rig.now = deadline - before
    await rig.feed(supplier("s1", CLEANING))

    assert bool(matched(rig)) is fits


async def test_demands_past_their_deadline_leave_the_search_so_that_it_stays_short(rig):
    late, soon = rig.now + timedelta(days=300), rig.now + timedelta(days=3)
    await published(rig, deadline=soon)
    open_id = await published(rig, deadline=late)
    rig.now += timedelta(days=30)

    await rig.feed(supplier("s1", CLEANING))

    found = await rig.store.find(DEMANDS.collection, {"line": Has(CLEANING)})
    assert [d["_id"] for d in found] == [open_id]
    assert matched(rig) == [(open_id, "s1")]


async def test_a_supplier_that_fits_in_many_ways_is_matched_once(rig):
    codes = [CLEANING, OFFICE_CLEANING, "90919300", "90000000", CATERING, "55000000"]
    demand_id = await published(rig, cpv=codes)

    await rig.feed(supplier("s1", *codes, *codes))

    assert matched(rig) == [(demand_id, "s1")]


MANY = 1_100


async def test_a_demand_is_matched_with_all_suppliers_however_many(rig):
    codes = [CLEANING, OFFICE_CLEANING, "90000000", "90919300"]
    copies = [copy(supplier(f"s{n}", codes[n % 4])) for n in range(MANY)]
    others = [copy(supplier(f"other{n}", CATERING)) for n in range(50)]
    await _put(rig, SUPPLIERS, [*copies, *others])

    await published(rig)

    told = [supplier_id for _, supplier_id in matched(rig)]
    assert len(told) == MANY
    assert set(told) == {c.id for c in copies}


async def test_a_supplier_is_matched_with_all_open_demands_however_many(rig):
    first = await published(rig)
    template = DEMANDS.to_aggregate(await rig.store.get(DEMANDS.collection, first))
    await _put(rig, DEMANDS, [template.model_copy(update={"id": f"d{n}", "version": 1}) for n in range(MANY)])

    await rig.feed(supplier("s1", OFFICE_CLEANING))

    told = [demand_id for demand_id, _ in matched(rig)]
    assert len(told) == MANY + 1
    assert set(told) == {first, *(f"d{n}" for n in range(MANY))}


@pytest.mark.parametrize("repository", [SUPPLIERS, DEMANDS], ids=lambda r: r.name)
@pytest.mark.parametrize("field", ["codes", "line"])
async def test_candidates_are_found_by_index(rig, repository, field):
    plan = await rig.store.explain(repository.collection, {field: Has(CLEANING)})

    assert "SCAN" not in plan.upper().replace("COVERING", "")
    assert field in plan


async def test_matches_can_be_found_by_either_side(rig):
    await rig.feed(supplier("s1", CLEANING))
    demand_id = await published(rig)

    for where in ({"demand_id": demand_id}, {"supplier_id": "s1"}):
        assert len(await rig.store.find(MATCHES.collection, where)) == 1


async def _put[A: Aggregate](rig: Harness, repository: Repository[A], aggregates: list[A]) -> None:
    async def write(work: Work) -> None:
        await work.put(repository, *aggregates)

    await rig.executor.act(f"fill {repository.name}", write)
