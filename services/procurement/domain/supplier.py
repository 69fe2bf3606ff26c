"""Suppliers as the supplier service told of them: kept at the version of its event."""

from services.procurement.domain.reach import Reach
from shared.contracts.aggregate import Aggregate
from shared.contracts.person import ERASED_ADDRESS
from shared.contracts.supplier import OfferingState, SupplierState
from shared.contracts.types import KeptEmail, Language


class Supplier(Aggregate):
    """A copy. `version` is the supplier service's own. One that left the portal keeps nothing but that, so that no
    older event brings it back; its empty `codes` and `line` take it out of every search.
    """

    cvr: str = ""
    name: str = ""
    email: KeptEmail = ""
    municipality: str = ""
    offerings: tuple[OfferingState, ...] = ()
    language: Language = "da"
    codes: tuple[str, ...] = ()
    line: tuple[str, ...] = ()


def listed(event: SupplierState, version: int) -> Supplier:
    """The supplier as an event tells it at a version. An offering without a CPV code can be seen but not matched,
    nor can a supplier that nobody can write to.
    """
    reach = Reach.of(o.cpv for o in event.offerings if event.email != ERASED_ADDRESS)
    return Supplier(
        id=event.supplier_id,
        version=version,
        cvr=event.cvr,
        name=event.name,
        email=event.email,
        municipality=event.municipality,
        offerings=event.offerings,
        language=event.language,
        codes=reach.codes,
        line=reach.line,
    )


def left(supplier_id: str, version: int) -> Supplier:
    """What stays of a supplier that left the portal."""
    return Supplier(id=supplier_id, version=version)
