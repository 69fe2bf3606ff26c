"""Messages as a test needs them, and what came of them."""

from typing import Any

from services.procurement import messages, store
from services.procurement.domain import Supplier, listed
from shared.contracts.base import Reply
from shared.contracts.procurement import CloseDemand, PublishDemand, SupplierMatched
from shared.contracts.supplier import SupplierRegistered, SupplierState, SupplierUpdated, SupplierWithdrawn
from shared.store.port import Document
from tests.support.harness import Harness, done

CLEANING, OFFICE_CLEANING, CATERING, PRINTING = "90910000", "90919200", "55500000", "79800000"

CLEANING_WANTED: dict[str, Any] = {
    "title": "Rengøring af tre daginstitutioner",
    "cpv": ["90910000-9"],
    "deadline": "2027-03-01T12:00:00+01:00",
    "buyer": {
        "name": "Birkelund Kommune",
        "cvr": "24256790",
        "email": "indkob@birkelund.example",
        "municipality": "0791",
    },
}


def demand(**changes: Any) -> PublishDemand:
    return PublishDemand.model_validate(CLEANING_WANTED | changes)


def profile(supplier_id: str = "s1", *codes: str | None, **changes: Any) -> dict[str, Any]:
    """What events say of a supplier; an offering for each code, named by it."""
    return {
        "supplier_id": supplier_id,
        "cvr": "13585628",
        "name": f"Leverandør {supplier_id}",
        "email": f"{supplier_id}@leverandor.example",
        "municipality": "0751",
        "offerings": [{"title": f"Tilbud {code}", "cpv": code} for code in codes],
    } | changes


def supplier(supplier_id: str = "s1", *codes: str | None, **changes: Any) -> SupplierRegistered:
    return SupplierRegistered.model_validate(profile(supplier_id, *codes, **changes))


def updated(supplier_id: str = "s1", *codes: str | None, **changes: Any) -> SupplierUpdated:
    return SupplierUpdated.model_validate(profile(supplier_id, *codes, **changes))


def withdrawn(supplier_id: str = "s1") -> SupplierWithdrawn:
    return SupplierWithdrawn(supplier_id=supplier_id, cvr="13585628", name=f"Leverandør {supplier_id}")


def copy(event: SupplierState) -> Supplier:
    """The copy that is kept of a supplier: to fill a store with many at once."""
    return listed(event, 1)


async def published(rig: Harness, **changes: Any) -> str:
    return str(done(await rig.send(demand(**changes)))["demand_id"])


async def close(rig: Harness, demand_id: str, outcome: str = "closed", id: str | None = None) -> Reply:
    return await rig.send(CloseDemand.model_validate({"demand_id": demand_id, "outcome": outcome}), id)


def matched(rig: Harness) -> list[tuple[str, str]]:
    """Demand and supplier of every match that was told, in order."""
    return [(m.demand_id, m.supplier.supplier_id) for m in rig.told(SupplierMatched)]


async def kept(rig: Harness) -> set[tuple[str, str]]:
    """Demand and supplier of every match in the store."""
    return {(m["demand_id"], m["supplier_id"]) async for m in rig.store.everything(store.MATCHES.collection)}


async def document(rig: Harness, demand_id: str) -> Document:
    found = await rig.store.get(store.DEMANDS.collection, demand_id)
    assert found is not None
    return found


def beside(rig: Harness) -> Harness:
    """Another process of the service on the same store."""
    other = Harness(messages, store.REPOSITORIES, rig.store, None)
    other.events = rig.events
    return other
