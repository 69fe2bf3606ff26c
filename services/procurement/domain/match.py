"""A supplier that fits a demand: once for each pair, for ever."""

from datetime import datetime

from services.procurement.domain.demand import Demand
from services.procurement.domain.supplier import Supplier
from shared.contracts.aggregate import Aggregate
from shared.contracts.base import derived_id
from shared.contracts.cpv import related
from shared.contracts.procurement import MatchedSupplier, SupplierMatched

type Pairing = tuple["Match", tuple[SupplierMatched]]
"""The match and what it tells."""


class Match(Aggregate):
    """That a pair was matched. Its id comes from the pair, so that it is made and told once."""

    demand_id: str
    supplier_id: str
    matched_at: datetime


def match(demand: Demand, supplier: Supplier, now: datetime) -> Pairing | None:
    """The match as first written (version 1), or None where the demand takes none or nothing offered fits."""
    fitting = _fitting(demand, supplier)
    if not fitting or not demand.takes_matches(now):
        return None
    match_id = derived_id("match", demand.id, supplier.id)
    event = SupplierMatched(
        match_id=match_id,
        demand_id=demand.id,
        title=demand.title,
        deadline=demand.deadline,
        description=demand.description,
        buyer=demand.buyer,
        supplier=MatchedSupplier(
            supplier_id=supplier.id,
            cvr=supplier.cvr,
            name=supplier.name,
            email=supplier.email,
            municipality=supplier.municipality,
            offerings=fitting,
            language=supplier.language,
        ),
    )
    return Match(id=match_id, version=1, demand_id=demand.id, supplier_id=supplier.id, matched_at=now), (event,)


def _fitting(demand: Demand, supplier: Supplier) -> tuple[str, ...]:
    """Titles of the offerings whose CPV code is one of the demand's, or above or below it; each once."""
    return tuple(
        dict.fromkeys(o.title for o in supplier.offerings if o.cpv and any(related(o.cpv, c) for c in demand.cpv))
    )
