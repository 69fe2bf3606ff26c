"""What each message does: load, decide, write; then match (see matching.py)."""

from services.procurement.domain import Supplier, UnknownDemand, left, listed, publish
from services.procurement.matching import match_demand, match_supplier
from services.procurement.persons import PERSONS
from services.procurement.store import DEMANDS, SUPPLIERS
from shared.contracts.person import ErasureResult, ExportResult
from shared.contracts.problems import Invalid
from shared.contracts.procurement import (
    CloseDemand,
    DemandRef,
    ErasePerson,
    ExportPerson,
    PersonErased,
    PublishDemand,
)
from shared.contracts.supplier import SupplierState, SupplierWithdrawn
from shared.persons.erasing import erase
from shared.persons.exporting import export
from shared.store.work import Work


async def publish_demand(command: PublishDemand, work: Work) -> DemandRef:
    """Keep the demand, then match it. After a crash in between, the same message takes up the demand that it wrote."""
    demand = await work.get(DEMANDS, work.new_id())
    if demand is None:
        demand, published = publish(work.new_id(), command, work.now)
        await work.put(DEMANDS, (demand, [published]))
    await match_demand(demand, work)
    return DemandRef(demand_id=demand.id)


async def close_demand(command: CloseDemand, work: Work) -> DemandRef:
    """Take no more matches for a demand. A match that is being written at that moment may still come out."""
    demand = await work.get(DEMANDS, command.demand_id)
    if demand is None:
        raise UnknownDemand(command.demand_id)
    closed, events = demand.close(command.outcome, work.now)
    if events:
        work.save(DEMANDS, closed, events)
    return DemandRef(demand_id=demand.id)


async def copy_supplier(event: SupplierState, work: Work) -> None:
    """Keep the supplier as told, unless something newer is known; then match it as it is known."""
    await match_supplier(await _keep(listed(event, _version(work)), work), work)


async def forget_supplier(event: SupplierWithdrawn, work: Work) -> None:
    """Let go of a supplier's data and match it no more; matches made before stay."""
    await _keep(left(event.supplier_id, _version(work)), work)


async def erase_person(command: ErasePerson, work: Work) -> ErasureResult:
    """Take a person out of all that is kept here."""
    return await erase(command.email, PersonErased, PERSONS, work)


async def export_person(command: ExportPerson, work: Work) -> ExportResult:
    """Tell what is kept here of a person."""
    return await export(command.email, PERSONS, work)


async def _keep(copy: Supplier, work: Work) -> Supplier:
    (took,) = await work.put(SUPPLIERS, copy)
    return copy if took else await work.get(SUPPLIERS, copy.id) or copy


def _version(work: Work) -> int:
    version = work.message.aggregateversion
    if version is None:
        raise Invalid.field("aggregateversion", "is missing; without it, old and new cannot be told apart")
    return version
