"""A contact is erased: of a buyer, or of a supplier that is copied here."""

import pytest

from services.procurement.domain import Demand, Supplier
from services.procurement.store import DEMANDS, SUPPLIERS
from shared.contracts.person import ERASED_ADDRESS
from shared.contracts.procurement import CloseDemand, DemandClosed, SupplierMatched
from tests.procurement.builders import CLEANING, demand, supplier, updated
from tests.support.harness import Harness
from tests.support.persons import at_once, erase, export, traces

__all__ = ["at_once"]
pytestmark = pytest.mark.usefixtures("at_once")
BUYER, SELLER = "indkob@birkelund.example", "s1@leverandor.example"


async def demanded(rig: Harness) -> Demand:
    (found,) = [d async for d in rig.store.everything(DEMANDS.collection)]
    return DEMANDS.to_aggregate(found)


async def copied(rig: Harness) -> Supplier:
    (found,) = [d async for d in rig.store.everything(SUPPLIERS.collection)]
    return SUPPLIERS.to_aggregate(found)


async def test_a_demand_without_a_contact_is_matched_no_longer_and_can_still_be_closed(rig: Harness):
    reply = await rig.send(demand())
    assert (await erase(rig, BUYER))["erased"] == {"demands": 1}
    after = await demanded(rig)
    assert (after.buyer.email, after.buyer.name, after.state) == (ERASED_ADDRESS, "Birkelund Kommune", "published")
    await rig.feed(supplier("s1", CLEANING))
    assert rig.told(SupplierMatched) == []
    closed = await rig.send(CloseDemand(demand_id=(reply.result or {})["demand_id"]))
    assert closed.ok
    assert len(rig.told(DemandClosed)) == 1
    assert await traces(rig, BUYER) == []


async def test_a_copy_keeps_its_version_and_takes_what_its_owner_tells_next(rig: Harness):
    await rig.feed(supplier("s1", CLEANING), version=4)
    assert (await erase(rig, SELLER))["erased"] == {"suppliers": 1}
    assert ((await copied(rig)).email, (await copied(rig)).version) == (ERASED_ADDRESS, 4)
    await rig.send(demand())
    assert rig.told(SupplierMatched) == [], "nobody could write to it"
    await rig.feed(updated("s1", CLEANING, email=ERASED_ADDRESS), version=5)
    assert rig.told(SupplierMatched) == []
    await rig.feed(updated("s1", CLEANING, email="ny@leverandor.example"), version=6)
    assert [m.supplier.email for m in rig.told(SupplierMatched)] == ["ny@leverandor.example"]
    assert await traces(rig, SELLER) == []


async def test_the_person_is_told_all_that_is_kept(rig: Harness):
    await rig.send(demand(description=f"Spørg {SELLER}"))
    await rig.feed(supplier("s1", CLEANING))
    assert set((await export(rig, BUYER))["about"]) == {"demands"}
    found = await export(rig, SELLER)
    assert set(found["about"]) == {"suppliers"}
    assert set(found["mentions"]) == {"demands"}
