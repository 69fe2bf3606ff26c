import asyncio
from datetime import timedelta

import pytest

from shared.contracts.supplier import SupplierUpdated, UpdateSupplier
from tests.supplier.builders import ID, WORKSHOP, beside, kept, names, registered, update, withdraw
from tests.support.harness import NOW


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Viborg Genbrug ApS"},
        {"email": "ny@genbrug.example"},
        {"municipality": "0751"},
        {"offerings": ({"title": "Havearbejde", "cpv": "77310000"},)},
        {"website": "https://viborg-genbrug.example/om"},
        {"description": "Vi giver ting og mennesker en chance til."},
        {"language": "en"},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_only_the_given_field_changes_and_the_whole_profile_is_told(rig, changes):
    await registered(rig)
    before = await kept(rig)
    rig.now += timedelta(hours=1)

    assert (await update(rig, **changes)).result == {"supplier_id": ID}

    [told] = rig.told(SupplierUpdated)
    profile = told.model_dump(exclude={"supplier_id"})
    assert profile == {key: changes.get(key, _plain(before[key])) for key in profile}
    assert names(rig)[-1] == ("supplier-updated", 2)
    after = await kept(rig)
    assert (after["registered_at"], after["changed_at"]) == (NOW, NOW + timedelta(hours=1))


@pytest.mark.parametrize(
    "same",
    [
        {},
        {"name": "  Genbrugsværkstedet ApS "},
        {"email": "Kontakt@Genbrug.example"},
        {key: WORKSHOP[key] for key in ("name", "email", "municipality", "offerings", "website")},
        {"offerings": [{"title": "Kontorrengøring", "cpv": "90919200"}, {"title": "Genbrugsmøbler", "cpv": None}]},
        {"description": "  "},
    ],
)
async def test_a_change_that_changes_nothing_tells_nothing_and_touches_nothing(rig, same):
    await registered(rig)
    before = await rig.dump()
    rig.now += timedelta(hours=1)

    assert (await update(rig, **same)).result == {"supplier_id": ID}

    assert await rig.dump() == before
    assert names(rig) == [("supplier-registered", 1)]


@pytest.mark.parametrize("unknown", ["13585628", "nobody", "5f0c7a52-6f0e-5c4e-9d53-0a2f1f6f3f10"])
async def test_an_unknown_id_is_not_found(rig, unknown):
    await registered(rig)

    reply = await update(rig, supplier_id=unknown, name="Hvem ApS")

    assert reply.problem is not None
    assert reply.problem.status == 404
    assert unknown in reply.problem.detail


async def test_a_withdrawn_profile_cannot_be_changed_and_the_way_back_is_told(rig):
    await registered(rig)
    await withdraw(rig)

    reply = await update(rig, name="Viborg Genbrug ApS")

    assert reply.problem is not None
    assert reply.problem.status == 409
    assert "register-supplier" in reply.problem.detail
    assert "13585628" in reply.problem.detail


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"name": "Viborg Genbrug ApS"}, "supplier_id"),
        ({"supplier_id": "den fra i går"}, "supplier_id"),
        ({"supplier_id": ID, "cvr": "24256790"}, "cvr"),
        ({"supplier_id": ID, "name": ""}, "name"),
        ({"supplier_id": ID, "email": "genbrug.example"}, "email"),
        ({"supplier_id": ID, "municipality": "Aarhus"}, "municipality"),
        ({"supplier_id": ID, "offerings": []}, "offerings"),
        ({"supplier_id": ID, "offerings": [{"title": "Have", "cpv": "7731"}]}, "offerings.0.cpv"),
        ({"supplier_id": ID, "website": "www.genbrug.example"}, "website"),
    ],
)
async def test_what_a_hurried_person_sends_is_refused_by_the_name_of_the_field(rig, data, field):
    await registered(rig)

    reply = await rig.send_data(UpdateSupplier, data)

    assert reply.problem is not None
    assert reply.problem.status == 422
    assert field in {e.field for e in reply.problem.errors}
    assert names(rig) == [("supplier-registered", 1)]


async def test_the_same_command_twice_is_one_change_even_after_another(rig):
    await registered(rig)
    first = await update(rig, "update-1", name="Navn 1 ApS")
    await update(rig, "update-2", name="Navn 2 ApS")

    assert await update(rig, "update-1", name="Navn 1 ApS") == first
    assert (await kept(rig))["name"] == "Navn 2 ApS"
    assert [version for _, version in names(rig)] == [1, 2, 3]


async def test_changes_of_different_fields_at_once_all_come_through(rig):
    await registered(rig)
    rigs = [rig, beside(rig), beside(rig)]
    changes = [{"name": "Ny ApS"}, {"email": "ny@genbrug.example"}, {"municipality": "0751"}, {"language": "en"}]

    replies = await asyncio.gather(*(rigs[n % 3].send(_command(**c)) for n, c in enumerate(changes)))

    assert all(r.ok for r in replies)
    document = await kept(rig)
    assert all(document[key] == value for change in changes for key, value in change.items())
    assert sorted(e.aggregateversion for e in rig.events) == [1, 2, 3, 4, 5]


def _command(**changes: str) -> UpdateSupplier:
    return UpdateSupplier.model_validate({"supplier_id": ID} | changes)


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


async def test_an_empty_website_takes_it_out(rig):
    await registered(rig)
    await update(rig, website="")
    assert [e.website for e in rig.told(SupplierUpdated)] == [None]
