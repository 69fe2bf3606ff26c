"""What the procurement service takes and tells: demands of public buyers and the suppliers that fit them."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts.base import Command, Event
from shared.contracts.person import Erasure, ErasureCommand, ExportCommand
from shared.contracts.types import Cpv, Cvr, Email, EventPart, Id, KeptEmail, Language, Line, Municipality, Part, Text


class Buyer(Part):
    """The contracting authority."""

    name: Line = Field(examples=["Birkelund Kommune"])
    cvr: Cvr = Field(examples=["24256790"])
    email: Email = Field(examples=["indkob@birkelund.example"])
    municipality: Municipality = Field(examples=["0791"])
    language: Language = "da"


class DemandRef(BaseModel):
    """Which demand it is."""

    model_config = ConfigDict(frozen=True)
    demand_id: Id = Field(examples=["2c9b1b64-7a0f-5e0d-8a44-6c1e0f5d9a03"])


class PublishDemand(Command):
    """Tell what a public buyer wants. Suppliers whose CPV codes stand in line with one of the demand's are matched,
    now and when they register later, until the deadline. 422 for a deadline that is past.
    """

    result = DemandRef

    title: Line = Field(examples=["Rengøring af tre daginstitutioner"])
    cpv: tuple[Cpv, ...] = Field(min_length=1, max_length=50, examples=[["90910000-9"]])
    deadline: AwareDatetime = Field(examples=["2027-03-01T12:00:00+01:00"])
    buyer: Buyer
    description: Text = ""


class CloseDemand(Command):
    """Stop matching a demand. Closing again changes nothing."""

    result = DemandRef
    key = "demand_id"

    demand_id: Id = Field(examples=["2c9b1b64-7a0f-5e0d-8a44-6c1e0f5d9a03"])
    outcome: Literal["closed", "awarded", "unsuccessful", "cancelled"] = "closed"


class BuyerState(EventPart):
    """The contracting authority, in an event."""

    name: str = Field(examples=["Birkelund Kommune"])
    cvr: str = Field(examples=["24256790"])
    email: KeptEmail = Field(examples=["indkob@birkelund.example"])
    municipality: str = Field(examples=["0791"])
    language: Language = "da"


class MatchedSupplier(EventPart):
    """The supplier that fits, in an event."""

    supplier_id: Id = Field(examples=["5f0c7a52-6f0e-5c4e-9d53-0a2f1f6f3f10"])
    cvr: str = Field(examples=["13585628"])
    name: str = Field(examples=["Genbrugsværkstedet ApS"])
    email: KeptEmail = Field(examples=["kontakt@genbrug.example"])
    municipality: str = Field(examples=["0791"])
    offerings: tuple[str, ...] = Field(examples=[["Kontorrengøring"]])
    language: Language = "da"


class DemandPublished(Event):
    """A public buyer wants something."""

    about = "demand_id"
    optional = True

    demand_id: Id = Field(examples=["2c9b1b64-7a0f-5e0d-8a44-6c1e0f5d9a03"])
    title: str = Field(examples=["Rengøring af tre daginstitutioner"])
    cpv: tuple[str, ...] = Field(examples=[["90910000"]])
    deadline: AwareDatetime = Field(examples=["2027-03-01T11:00:00Z"])
    buyer: BuyerState
    description: str = ""


class SupplierMatched(Event):
    """A supplier fits a demand: once for each pair. `offerings` of the supplier are those that fit."""

    about = "match_id"

    match_id: Id = Field(examples=["9e4d0c3b-1f2a-5b6c-8d7e-5f4a3b2c1d04"])
    demand_id: Id = Field(examples=["2c9b1b64-7a0f-5e0d-8a44-6c1e0f5d9a03"])
    title: str = Field(examples=["Rengøring af tre daginstitutioner"])
    deadline: AwareDatetime = Field(examples=["2027-03-01T11:00:00Z"])
    description: str = ""
    buyer: BuyerState
    supplier: MatchedSupplier


class DemandClosed(Event):
    """A demand takes no more matches."""

    about = "demand_id"
    optional = True

    demand_id: Id = Field(examples=["2c9b1b64-7a0f-5e0d-8a44-6c1e0f5d9a03"])
    title: str = Field(examples=["Rengøring af tre daginstitutioner"])
    outcome: str = Field(examples=["closed"])


class ErasePerson(ErasureCommand):
    """Take a person out of all that this service keeps. Again finishes what is missing, or changes nothing."""


class ExportPerson(ExportCommand):
    """Tell what this service keeps of a person. The reply goes to who asks and is kept nowhere."""


class PersonErased(Erasure):
    """This service erased a person; it does not say whom. `subjects` are ids that earlier events told of."""
