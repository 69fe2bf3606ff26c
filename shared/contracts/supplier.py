"""What the supplier service takes and tells: the supplier portal's profiles."""

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.base import Command, Event
from shared.contracts.person import Erasure, ErasureCommand, ExportCommand
from shared.contracts.types import (
    Cpv,
    Cvr,
    Email,
    EventPart,
    HttpUrl,
    HttpUrlOrNothing,
    Id,
    KeptEmail,
    Language,
    Line,
    Municipality,
    Part,
    Text,
)


class Offering(Part):
    """A product or service that a supplier offers."""

    title: Line = Field(examples=["Kontorrengøring"])
    cpv: Cpv | None = Field(default=None, examples=["90919200-4"])


class SupplierRef(BaseModel):
    """Which supplier it is."""

    model_config = ConfigDict(frozen=True)
    supplier_id: Id = Field(examples=["5f0c7a52-6f0e-5c4e-9d53-0a2f1f6f3f10"])


class RegisterSupplier(Command):
    """Put an enterprise into the supplier portal. 409 where the CVR number already has an active profile."""

    result = SupplierRef
    key = "cvr"

    cvr: Cvr = Field(examples=["13585628"])
    name: Line = Field(examples=["Genbrugsværkstedet ApS"])
    email: Email = Field(examples=["kontakt@genbrug.example"])
    municipality: Municipality = Field(examples=["0791"])
    offerings: tuple[Offering, ...] = Field(min_length=1, max_length=100)
    website: HttpUrl | None = Field(default=None, examples=["https://genbrug.example"])
    description: Text = Field(default="", examples=["Vi gør rent, og vi giver møbler nyt liv."])
    language: Language = "da"


class UpdateSupplier(Command):
    """Change the fields that are given; the others stay. An empty website takes it out. No change, no event."""

    result = SupplierRef
    key = "supplier_id"

    supplier_id: Id = Field(examples=["5f0c7a52-6f0e-5c4e-9d53-0a2f1f6f3f10"])
    name: Line | None = Field(default=None, examples=["Genbrugsværkstedet Viborg ApS"])
    email: Email | None = Field(default=None, examples=["viborg@genbrug.example"])
    municipality: Municipality | None = Field(default=None, examples=["0791"])
    offerings: tuple[Offering, ...] | None = Field(default=None, min_length=1, max_length=100)
    website: HttpUrlOrNothing | None = Field(default=None, examples=["https://genbrug.example/viborg"])
    description: Text | None = Field(default=None, examples=["Vi gør rent og sætter møbler i stand."])
    language: Language | None = Field(default=None, examples=["da"])


class WithdrawSupplier(Command):
    """Take an enterprise out of the portal. Withdrawing again changes nothing."""

    result = SupplierRef
    key = "supplier_id"

    supplier_id: Id = Field(examples=["5f0c7a52-6f0e-5c4e-9d53-0a2f1f6f3f10"])


class OfferingState(EventPart):
    """An offering in an event."""

    title: str = Field(examples=["Kontorrengøring"])
    cpv: str | None = Field(default=None, examples=["90919200"])


class SupplierState(Event, abstract=True):
    """A supplier as it now stands; common to the events that carry the whole profile."""

    about = "supplier_id"

    supplier_id: Id = Field(examples=["5f0c7a52-6f0e-5c4e-9d53-0a2f1f6f3f10"])
    cvr: str = Field(examples=["13585628"])
    name: str = Field(examples=["Genbrugsværkstedet ApS"])
    email: KeptEmail = Field(examples=["kontakt@genbrug.example"])
    municipality: str = Field(examples=["0791"])
    offerings: tuple[OfferingState, ...]
    website: str | None = Field(default=None, examples=["https://genbrug.example"])
    description: str = Field(default="", examples=["Vi gør rent, og vi giver møbler nyt liv."])
    language: Language = "da"


class SupplierRegistered(SupplierState):
    """An enterprise is in the portal: for the first time, or again after a withdrawal."""


class SupplierUpdated(SupplierState):
    """A profile changed; all of it is told."""


class SupplierWithdrawn(Event):
    """An enterprise is no longer in the portal."""

    about = "supplier_id"

    supplier_id: Id = Field(examples=["5f0c7a52-6f0e-5c4e-9d53-0a2f1f6f3f10"])
    cvr: str = Field(examples=["13585628"])
    name: str = Field(examples=["Genbrugsværkstedet ApS"])


class ErasePerson(ErasureCommand):
    """Take a person out of all that this service keeps. Again finishes what is missing, or changes nothing."""


class ExportPerson(ExportCommand):
    """Tell what this service keeps of a person. The reply goes to who asks and is kept nowhere."""


class PersonErased(Erasure):
    """This service erased a person; it does not say whom. `subjects` are ids that earlier events told of."""
