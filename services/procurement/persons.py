"""Where persons are kept here: the contact of a buyer, and the copies of suppliers.

A demand whose buyer has no contact any more is matched no longer, nor is a supplier that nobody can write to.
"""

from services.procurement.domain import Demand, Supplier
from services.procurement.store import DEMANDS, REPOSITORIES, SUPPLIERS
from shared.contracts.person import ERASED_ADDRESS
from shared.persons.held import Held, Person, Persons
from shared.store.work import Work


async def drop_buyer(demand: Demand, _: Person, work: Work) -> bool:
    """Take the buyer's address out of a demand, and stop matching it."""
    work.save(DEMANDS, demand.without_contact())
    return True


async def drop_copy(supplier: Supplier, person: Person, work: Work) -> bool:
    """Take the address out of a copy, which keeps the version of the supplier service; so it is matched no longer."""
    where = {"_id": supplier.id, "email": person.email}
    gone = {"email": ERASED_ADDRESS, "codes": [], "line": []}
    return await work.store.update(SUPPLIERS.collection, where, set=gone) is not None


PERSONS = Persons(
    REPOSITORIES,
    Held(DEMANDS, addresses=("buyer.email",), erase=drop_buyer, told=True),
    Held(SUPPLIERS, addresses=("email",), erase=drop_copy),
)
