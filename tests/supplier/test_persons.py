"""A supplier's contact is erased: the profile stays without one, and every copy hears of it."""

import pytest

from shared.contracts.person import ERASED_ADDRESS
from shared.contracts.supplier import PersonErased, SupplierUpdated, UpdateSupplier
from tests.supplier.builders import ID, kept, names, registered, registration, update, withdraw
from tests.support.harness import Harness
from tests.support.persons import at_once, erase, traces

__all__ = ["at_once"]
pytestmark = pytest.mark.usefixtures("at_once")
CONTACT = "kontakt@genbrug.example"


async def test_the_profile_stays_without_a_contact(rig: Harness):
    await registered(rig, description=f"Ring, eller skriv til {CONTACT.upper()}")
    await erase(rig, CONTACT)
    document = await kept(rig)
    assert (document["email"], document["state"]) == (ERASED_ADDRESS, "active")
    assert document["name"] == "Genbrugsværkstedet ApS"
    assert [e.email for e in rig.told(SupplierUpdated)] == [ERASED_ADDRESS]
    assert [e.subjects for e in rig.told(PersonErased)] == [(ID,)]
    assert await traces(rig, CONTACT) == []


async def test_another_contact_may_be_given(rig: Harness):
    await registered(rig)
    await erase(rig, CONTACT)
    assert (await update(rig, email="ny@genbrug.example")).ok
    assert (await kept(rig))["email"] == "ny@genbrug.example"
    refused = await rig.send_data(UpdateSupplier, {"supplier_id": ID, "email": ERASED_ADDRESS})
    assert refused.problem is not None, "it is no address"


async def test_of_a_withdrawn_profile_nothing_is_told(rig: Harness):
    await registered(rig)
    await withdraw(rig)
    await erase(rig, CONTACT)
    assert [name for name, _ in names(rig)] == ["supplier-registered", "supplier-withdrawn", "person-erased"]
    assert await traces(rig, CONTACT) == []
    assert (await rig.send(registration(email="ny@genbrug.example"))).ok
