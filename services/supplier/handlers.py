"""What each command does: load, decide, save."""

from services.supplier.domain import Change, Supplier, UnknownSupplier, register, supplier_id
from services.supplier.persons import PERSONS
from services.supplier.store import SUPPLIERS
from shared.contracts.person import ErasureResult, ExportResult
from shared.contracts.supplier import (
    ErasePerson,
    ExportPerson,
    PersonErased,
    RegisterSupplier,
    SupplierRef,
    UpdateSupplier,
    WithdrawSupplier,
)
from shared.persons.erasing import erase
from shared.persons.exporting import export
from shared.store.work import Work


async def register_supplier(command: RegisterSupplier, work: Work) -> SupplierRef:
    """Put an enterprise into the portal, or back into it."""
    present = await work.get(SUPPLIERS, supplier_id(command.cvr))
    return _keep(register(command, present, work.now), work)


async def update_supplier(command: UpdateSupplier, work: Work) -> SupplierRef:
    """Change the fields that are given."""
    supplier = await _known(command.supplier_id, work)
    return _keep(supplier.update(command, work.now), work)


async def withdraw_supplier(command: WithdrawSupplier, work: Work) -> SupplierRef:
    """Take an enterprise out of the portal."""
    supplier = await _known(command.supplier_id, work)
    return _keep(supplier.withdraw(work.now), work)


async def erase_person(command: ErasePerson, work: Work) -> ErasureResult:
    """Take a person out of all that is kept here."""
    return await erase(command.email, PersonErased, PERSONS, work)


async def export_person(command: ExportPerson, work: Work) -> ExportResult:
    """Tell what is kept here of a person."""
    return await export(command.email, PERSONS, work)


async def _known(id: str, work: Work) -> Supplier:
    supplier = await work.get(SUPPLIERS, id)
    if supplier is None:
        raise UnknownSupplier(id)
    return supplier


def _keep(change: Change, work: Work) -> SupplierRef:
    supplier, events = change
    if events:
        work.save(SUPPLIERS, supplier, events)
    return SupplierRef(supplier_id=supplier.id)
