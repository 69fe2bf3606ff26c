"""Commands as a test needs them, and what came of them."""

from typing import Any

from services.supplier import messages, store
from services.supplier.domain import supplier_id
from shared.contracts.base import Reply
from shared.contracts.supplier import RegisterSupplier, UpdateSupplier, WithdrawSupplier
from shared.store.port import Document
from tests.support.harness import Harness

CVR = "13585628"
ID = supplier_id(CVR)

WORKSHOP: dict[str, Any] = {
    "cvr": CVR,
    "name": "Genbrugsværkstedet ApS",
    "email": "kontakt@genbrug.example",
    "municipality": "0791",
    "offerings": [{"title": "Kontorrengøring", "cpv": "90919200-4"}, {"title": "Genbrugsmøbler"}],
    "website": "https://genbrug.example",
}


def registration(**changes: Any) -> RegisterSupplier:
    return RegisterSupplier.model_validate(WORKSHOP | changes)


async def registered(rig: Harness, **changes: Any) -> str:
    reply = await rig.send(registration(**changes))
    assert reply.ok, reply.problem
    return str((reply.result or {})["supplier_id"])


async def update(rig: Harness, id: str | None = None, /, **changes: Any) -> Reply:
    return await rig.send(UpdateSupplier.model_validate({"supplier_id": ID} | changes), id)


async def withdraw(rig: Harness, supplier_id: str = ID, id: str | None = None) -> Reply:
    return await rig.send(WithdrawSupplier(supplier_id=supplier_id), id)


async def kept(rig: Harness, supplier_id: str = ID) -> Document:
    document = await rig.store.get(store.SUPPLIERS.collection, supplier_id)
    assert document is not None
    return document


def names(rig: Harness) -> list[tuple[str, int | None]]:
    """What came out: each event's name and version, in order."""
    return [(e.type.split(".")[-2], e.aggregateversion) for e in rig.events]


def beside(rig: Harness) -> Harness:
    """Another process of the service on the same store."""
    other = Harness(messages, store.REPOSITORIES, rig.store, None)
    other.events = rig.events
    return other
