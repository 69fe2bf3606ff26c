from datetime import UTC, datetime, timedelta

import pytest

from services.procurement.store import DEMANDS
from shared.contracts.procurement import DemandPublished, PublishDemand
from tests.procurement.builders import CLEANING_WANTED, demand, document, kept, matched, published, supplier
from tests.support.harness import NOW, done, refused


async def test_the_demand_is_kept_and_told(rig):
    demand_id = await published(rig, description="Hver dag efter kl. 17")

    [told] = rig.told(DemandPublished)
    assert told.model_dump() == {
        "demand_id": demand_id,
        "title": "Rengøring af tre daginstitutioner",
        "cpv": ("90910000",),
        "deadline": datetime(2027, 3, 1, 11, tzinfo=UTC),
        "buyer": CLEANING_WANTED["buyer"] | {"language": "da"},
        "description": "Hver dag efter kl. 17",
    }
    assert [e.aggregateversion for e in rig.events] == [1]
    stored = await document(rig, demand_id)
    assert (stored["state"], stored["published_at"], stored["version"]) == ("published", NOW, 1)


async def test_a_code_given_twice_with_and_without_its_check_digit_is_one(rig):
    await published(rig, cpv=["90910000-9", "55500000", "90910000"])

    assert rig.told(DemandPublished)[0].cpv == ("90910000", "55500000")


async def test_the_deadline_is_told_as_it_is_kept(rig):
    demand_id = await published(rig, deadline="2027-03-01T12:00:00.123999+01:00")

    [told] = rig.told(DemandPublished)
    assert told.deadline == (await document(rig, demand_id))["deadline"]


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"deadline": "2026-11-23T10:00:00+01:00"}, "deadline", "is past"),  # now, in Copenhagen
        ({"deadline": "2026-11-23T09:59:00+01:00"}, "deadline", "is past"),
        ({"deadline": "2021-03-01T12:00:00+01:00"}, "deadline", "is past"),
        ({"deadline": "0001-01-01T00:00:00+14:00"}, "deadline", "is past"),
        ({"deadline": "2072-03-01T12:00:00+01:00"}, "deadline", "check the year"),
        ({"deadline": "9999-12-31T23:59:59-12:00"}, "deadline", "check the year"),
        ({"deadline": "2027-03-01T12:00:00"}, "deadline", "timezone"),
        ({"deadline": "2027-03-01"}, "deadline", "timezone"),
        ({"deadline": "1. marts 2027 kl. 12"}, "deadline", "datetime"),
        ({"deadline": ""}, "deadline", "datetime"),
        ({"cpv": []}, "cpv", "at least 1"),
        ({"cpv": "90910000-9"}, "cpv", "tuple"),
        ({"cpv": ["rengøring"]}, "cpv.0", "is not a CPV code"),
        ({"cpv": ["90910000-9", "90910000-3"]}, "cpv.1", "wrong check digit"),
        ({"cpv": ["90910000"] * 51}, "cpv", "at most 50"),
        ({"title": ""}, "title", "at least 1"),
        ({"buyer": "Birkelund Kommune"}, "buyer", "valid dictionary"),
        ({"buyer": CLEANING_WANTED["buyer"] | {"cvr": "24256791"}}, "buyer.cvr", "is not a CVR number"),
        ({"buyer": CLEANING_WANTED["buyer"] | {"email": "indkob"}}, "buyer.email", "is not one e-mail address"),
        ({"buyer": CLEANING_WANTED["buyer"] | {"municipality": "791"}}, "buyer.municipality", "four digits"),
        ({"buyer": CLEANING_WANTED["buyer"] | {"ean": "5790000000000"}}, "buyer.ean", "not permitted"),
        ({"budget": 200_000}, "budget", "not permitted"),
    ],
)
async def test_what_a_hurried_person_sends_is_refused_by_the_name_of_the_field(rig, changes, field, message):
    reply = await rig.send_data(PublishDemand, CLEANING_WANTED | changes)

    assert message in refused(reply, 422)[field]
    assert rig.events == []


@pytest.mark.parametrize("field", ["title", "cpv", "deadline", "buyer"])
async def test_what_is_left_out_is_named(rig, field):
    reply = await rig.send_data(PublishDemand, {k: v for k, v in CLEANING_WANTED.items() if k != field})

    assert refused(reply, 422) == {field: "Field required"}


async def test_the_same_command_twice_is_one_demand(rig):
    await rig.feed(supplier("s1", "90910000"))

    first = await rig.send(demand(), "publish-1")
    rig.now += timedelta(days=365)  # long past the deadline
    again = await rig.send(demand(), "publish-1")

    assert first == again
    assert len(rig.told(DemandPublished)) == 1
    assert len(matched(rig)) == 1
    assert len((await rig.dump(DEMANDS))[DEMANDS.name]) == 1


async def test_two_commands_that_say_the_same_are_two_demands(rig):
    await rig.feed(supplier("s1", "90910000"))

    ids = {done(await rig.send(demand(), name))["demand_id"] for name in ("publish-1", "publish-2")}

    assert len(ids) == 2
    assert {d for d, _ in await kept(rig)} == ids
