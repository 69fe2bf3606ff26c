"""The rules of the supplier portal: one profile for each CVR number, active or withdrawn."""

from datetime import datetime
from typing import Literal

from shared.contracts.aggregate import Aggregate
from shared.contracts.base import Event, derived_id
from shared.contracts.person import ERASED_ADDRESS
from shared.contracts.problems import Conflict, NotFound
from shared.contracts.supplier import (
    OfferingState,
    RegisterSupplier,
    SupplierRegistered,
    SupplierUpdated,
    SupplierWithdrawn,
    UpdateSupplier,
)
from shared.contracts.types import KeptEmail, Language

type Change = tuple["Supplier", tuple[Event, ...]]
"""The supplier after a change and what it tells; no events: nothing changed and nothing is to be saved."""


class Supplier(Aggregate):
    """An enterprise's profile. A withdrawn one keeps its data and its number, for the day it comes back."""

    cvr: str
    name: str
    email: KeptEmail
    municipality: str
    offerings: tuple[OfferingState, ...]
    website: str | None
    description: str
    language: Language
    state: Literal["active", "withdrawn"] = "active"
    registered_at: datetime
    changed_at: datetime

    def update(self, command: UpdateSupplier, now: datetime) -> Change:
        """Change the fields that are given. Withdrawn where there is no active profile."""
        if self.state == "withdrawn":
            raise Withdrawn(self)
        # Through the model again, so that given and kept values are of the same types and can be compared.
        given = command.model_dump(exclude={"supplier_id"}, exclude_none=True)
        if given.get("website") == "":
            given["website"] = None
        changed = Supplier.model_validate(self.model_dump() | given)
        if changed == self:
            return self, ()
        changed = changed.model_copy(update={"changed_at": now})
        return changed, (SupplierUpdated.model_validate(changed.told()),)

    def withdraw(self, now: datetime) -> Change:
        """Take the profile out of the portal; one that is out stays as it is."""
        if self.state == "withdrawn":
            return self, ()
        gone = self.model_copy(update={"state": "withdrawn", "changed_at": now})
        return gone, (SupplierWithdrawn(supplier_id=self.id, cvr=self.cvr, name=self.name),)

    def without_contact(self, now: datetime) -> Change:
        """The contact's address was erased; the profile stays. Of a withdrawn one there is nothing to tell."""
        changed = self.model_copy(update={"email": ERASED_ADDRESS, "changed_at": now})
        return changed, (SupplierUpdated.model_validate(changed.told()),) if self.state == "active" else ()

    def told(self) -> dict[str, object]:
        """The profile as events carry it."""
        return self.model_dump(exclude={"id", "version", "state", "registered_at", "changed_at"}) | {
            "supplier_id": self.id
        }


class AlreadyRegistered(Conflict):
    """The CVR number has an active profile."""

    def __init__(self, first: Supplier) -> None:
        super().__init__(
            f"CVR {first.cvr} already has an active profile: {first.name}, id {first.id}; "
            "send update-supplier with this id to change it, or withdraw-supplier first"
        )


class Withdrawn(Conflict):
    """The profile was withdrawn."""

    def __init__(self, supplier: Supplier) -> None:
        super().__init__(
            f"supplier {supplier.id} was withdrawn; send register-supplier with CVR {supplier.cvr} to bring it back"
        )


class UnknownSupplier(NotFound):
    """No profile ever had this id."""

    def __init__(self, supplier_id: str) -> None:
        super().__init__(f"there is no supplier {supplier_id}; register-supplier answers with the id to use")


def supplier_id(cvr: str) -> str:
    """The id that stands for a CVR number for ever: two registrations at once meet in one document."""
    return derived_id("supplier", cvr)


def register(command: RegisterSupplier, present: Supplier | None, now: datetime) -> Change:
    """A new profile, or a withdrawn one brought back with what is said now. AlreadyRegistered where it is active."""
    if present and present.state == "active":
        raise AlreadyRegistered(present)
    supplier = Supplier.model_validate(
        command.model_dump()
        | {
            "id": supplier_id(command.cvr),
            "version": present.version if present else 0,
            "registered_at": now,
            "changed_at": now,
        }
    )
    return supplier, (SupplierRegistered.model_validate(supplier.told()),)
