import asyncio
from datetime import timedelta

import pytest

from shared.contracts.supplier import RegisterSupplier, SupplierRegistered
from tests.supplier.builders import ID, WORKSHOP, beside, kept, names, registered, registration, update, withdraw
from tests.support.harness import NOW


async def test_the_profile_is_kept_and_all_of_it_is_told(rig):
    assert await registered(rig) == ID

    [told] = rig.told(SupplierRegistered)
    assert told.model_dump() == {
        "supplier_id": ID,
        "cvr": "13585628",
        "name": "Genbrugsværkstedet ApS",
        "email": "kontakt@genbrug.example",
        "municipality": "0791",
        "offerings": (
            {"title": "Kontorrengøring", "cpv": "90919200"},
            {"title": "Genbrugsmøbler", "cpv": None},
        ),
        "website": "https://genbrug.example",
        "description": "",
        "language": "da",
    }
    assert names(rig) == [("supplier-registered", 1)]
    document = await kept(rig)
    assert (document["state"], document["registered_at"], document["changed_at"]) == ("active", NOW, NOW)


@pytest.mark.parametrize("cvr", ["DK13585628", "dk 13 58 56 28", "13.58.56-28", " 13585628 "])
async def test_a_cvr_number_is_taken_as_people_write_it(rig, cvr):
    assert await registered(rig, cvr=cvr) == ID


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"cvr": "13585627"}, "cvr", "is not a CVR number"),
        ({"cvr": "1358562"}, "cvr", "is not a CVR number"),
        ({"cvr": "01234567"}, "cvr", "is not a CVR number"),
        ({"cvr": ""}, "cvr", "is not a CVR number"),
        ({"cvr": 13585628}, "cvr", "valid string"),
        ({"municipality": "791"}, "municipality", "four digits such as 0791"),
        ({"municipality": "Viborg"}, "municipality", "four digits such as 0791"),
        ({"municipality": "9999"}, "municipality", "four digits such as 0791"),
        ({"email": "kontakt@genbrug"}, "email", "is not one e-mail address"),
        ({"email": "a@genbrug.example, b@genbrug.example"}, "email", "is not one e-mail address"),
        ({"email": "Genbrug <kontakt@genbrug.example>"}, "email", "is not one e-mail address"),
        ({"name": "  "}, "name", "at least 1"),
        ({"name": "Genbrug\nBcc: alle@genbrug.example"}, "name", "one line"),
        ({"name": "Genbrug v/ 010203-1234"}, "name", "CPR"),
        ({"offerings": []}, "offerings", "at least 1"),
        ({"offerings": ["Rengøring"]}, "offerings.0", "valid dictionary"),
        ({"offerings": [{"titel": "Rengøring"}]}, "offerings.0.titel", "not permitted"),
        ({"offerings": [{"title": "Rengøring", "cpv": "rengøring"}]}, "offerings.0.cpv", "is not a CPV code"),
        ({"offerings": [{"title": "Rengøring", "cpv": "90910000-1"}]}, "offerings.0.cpv", "wrong check digit"),
        ({"offerings": [{"title": "Rengøring"}] * 101}, "offerings", "at most 100"),
        ({"website": "genbrug.example"}, "website", "http"),
        ({"website": "javascript:alert(1)"}, "website", "http"),
        ({"language": "dansk"}, "language", "'da' or 'en'"),
        ({"telefon": "00000000"}, "telefon", "not permitted"),
    ],
)
async def test_what_a_hurried_person_sends_is_refused_by_the_name_of_the_field(rig, changes, field, message):
    reply = await rig.send_data(RegisterSupplier, WORKSHOP | changes)

    assert reply.problem is not None
    assert reply.problem.status == 422
    assert message in {e.field: e.message for e in reply.problem.errors}[field]
    assert rig.events == []


@pytest.mark.parametrize("field", ["cvr", "name", "email", "municipality", "offerings"])
async def test_what_is_left_out_is_named(rig, field):
    reply = await rig.send_data(RegisterSupplier, {k: v for k, v in WORKSHOP.items() if k != field})

    assert reply.problem is not None
    assert [(e.field, e.message) for e in reply.problem.errors] == [(field, "Field required")]


async def test_a_second_profile_for_the_number_is_a_conflict_that_names_the_first(rig):
    await registered(rig)

    reply = await rig.send(registration(name="Genbrug To ApS", cvr="DK-13585628"))

    assert reply.problem is not None
    assert reply.problem.status == 409
    assert ID in reply.problem.detail
    assert "Genbrugsværkstedet ApS" in reply.problem.detail
    assert (await kept(rig))["name"] == "Genbrugsværkstedet ApS"
    assert names(rig) == [("supplier-registered", 1)]


async def test_the_conflict_names_the_first_as_it_is_called_now(rig):
    await registered(rig)
    await update(rig, name="Viborg Genbrug ApS")

    reply = await rig.send(registration())

    assert reply.problem is not None
    assert "Viborg Genbrug ApS" in reply.problem.detail


async def test_other_numbers_are_other_suppliers(rig):
    ids = {await registered(rig, cvr=cvr) for cvr in ("13585628", "24256790", "30715063", "35408002")}

    assert len(ids) == 4


async def test_the_same_command_twice_gives_the_same_answer_and_no_second_effect(rig):
    first = await rig.send(registration(), "register-1")
    again = await rig.send(registration(), "register-1")

    assert first.ok
    assert first == again
    assert names(rig) == [("supplier-registered", 1)]


async def test_a_refusal_is_the_answer_for_ever_to_that_command(rig):
    await registered(rig)
    refused = await rig.send(registration(name="Genbrug To ApS"), "register-2")
    await withdraw(rig)

    assert await rig.send(registration(name="Genbrug To ApS"), "register-2") == refused
    assert (await kept(rig))["state"] == "withdrawn"


async def test_a_command_id_used_again_for_something_else_is_a_conflict(rig):
    await rig.send(registration(), "register-1")

    reply = await rig.send(registration(cvr="24256790"), "register-1")

    assert reply.problem is not None
    assert reply.problem.status == 409
    assert "message id" in reply.problem.detail


async def test_registering_after_a_withdrawal_brings_the_profile_back_as_told_now(rig):
    await registered(rig)
    await withdraw(rig)
    rig.now += timedelta(days=30)

    assert await registered(rig, name="Genbrug Igen ApS", website=None) == ID

    document = await kept(rig)
    assert (document["state"], document["name"], document["website"]) == ("active", "Genbrug Igen ApS", None)
    assert document["registered_at"] == NOW + timedelta(days=30)
    assert names(rig) == [("supplier-registered", 1), ("supplier-withdrawn", 2), ("supplier-registered", 3)]


@pytest.mark.parametrize("came_before", [False, True], ids=["new", "withdrawn before"])
async def test_of_a_hundred_registrations_at_once_one_succeeds(rig, came_before):
    if came_before:
        await registered(rig)
        await withdraw(rig)
        rig.events.clear()
    rigs = [rig, *(beside(rig) for _ in range(3))]  # four processes: no lock in common

    replies = await asyncio.gather(*(rigs[n % 4].send(registration(name=f"Nummer {n}")) for n in range(100)))

    assert [r.ok for r in replies].count(True) == 1
    winner = (await kept(rig))["name"]
    refusals = [r.problem for r in replies if r.problem]
    assert {p.status for p in refusals} == {409}
    assert all(ID in p.detail and winner in p.detail for p in refusals)
    assert [e.data["name"] for e in rig.events] == [winner]
