"""What is to be said to whom, before it becomes a delivery: from the events of other services."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from shared.contracts.events import (
    EventDetails,
    SignupCancelled,
    SignupChange,
    SignupConfirmed,
    SignupPromoted,
    SignupWaitlisted,
)
from shared.contracts.procurement import SupplierMatched
from shared.contracts.supplier import SupplierRegistered
from shared.contracts.types import KeptEmail, Language


class Letter(BaseModel):
    """One mail to one person. `kind` names its template, `data` is what the template says.

    One cause leads to one letter of a kind to one person. After `expires_at` it is not worth sending.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    recipient: KeptEmail
    language: Language
    data: dict[str, Any]
    name: str | None = None
    reply_to: KeptEmail | None = None
    expires_at: datetime | None = None


SIGNUP_KINDS: dict[type[SignupChange], str] = {
    SignupConfirmed: "signup-confirmed",
    SignupWaitlisted: "signup-waitlisted",
    SignupPromoted: "signup-promoted",
    SignupCancelled: "signup-cancelled",
}


def welcome(event: SupplierRegistered) -> Letter:
    """To a supplier: it is in the portal."""
    return Letter(
        kind="supplier-welcome",
        recipient=event.email,
        name=event.name,
        language=event.language,
        data=event.model_dump(mode="json"),
    )


def signup_letter(event: SignupChange) -> Letter:
    """To a participant: how the sign-up stands. Not worth sending once the network event is over."""
    return Letter(
        kind=SIGNUP_KINDS[type(event)],
        recipient=event.email,
        name=event.name,
        language=event.language,
        data=event.model_dump(mode="json"),
        expires_at=instant(event.details.ends_at, event.details.timezone),
    )


def match_letters(event: SupplierMatched) -> tuple[Letter, Letter]:
    """To the buyer and to the supplier; an answer goes to the other one. Not worth sending after the deadline."""
    data = event.model_dump(mode="json")
    common: dict[str, Any] = {"data": data, "expires_at": event.deadline.astimezone(UTC)}
    buyer, supplier = event.buyer, event.supplier
    return (
        Letter(
            kind="match-buyer",
            recipient=buyer.email,
            name=buyer.name,
            language=buyer.language,
            reply_to=supplier.email,
            **common,
        ),
        Letter(
            kind="match-supplier",
            recipient=supplier.email,
            name=supplier.name,
            language=supplier.language,
            reply_to=buyer.email,
            **common,
        ),
    )


def instant(wall: datetime, zone: str) -> datetime:
    """The instant of a local wall time, in UTC; a wall time that comes twice means the first."""
    return wall.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


def begins(details: EventDetails) -> datetime:
    """The instant at which a network event begins."""
    return instant(details.starts_at, details.timezone)
