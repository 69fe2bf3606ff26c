"""Where persons are kept here: the contact address of a supplier.

What a supplier offers is an enterprise's and public, as the register of companies is; the contact may be a person's
own address. So the profile stays, without a contact, until update-supplier gives another one.
"""

from services.supplier.domain import Supplier
from services.supplier.store import REPOSITORIES, SUPPLIERS
from shared.persons.held import Held, Person, Persons
from shared.store.work import Work


async def drop_contact(supplier: Supplier, _: Person, work: Work) -> bool:
    """Take the address out of a profile, and tell it, so that all copies lose it too."""
    changed, events = supplier.without_contact(work.now)
    work.save(SUPPLIERS, changed, events)
    return True


PERSONS = Persons(REPOSITORIES, Held(SUPPLIERS, addresses=("email",), erase=drop_contact, told=True))
