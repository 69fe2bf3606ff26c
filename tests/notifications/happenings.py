"""Events of the other services, as a test needs them: the contracts' examples with changes."""

from typing import Any

from shared.contracts.base import Event
from shared.contracts.events import (
    EventAnnounced,
    EventDetails,
    SignupCancelled,
    SignupChange,
    SignupConfirmed,
)
from shared.contracts.examples import example
from shared.contracts.procurement import SupplierMatched
from shared.contracts.supplier import SupplierRegistered

DETAILS = example(EventDetails)
MEETING = DETAILS.model_copy(update={"description": "Vi præsenterer alle tilbud.\n\nDer er kaffe."})
SUPPLIER = "kontakt@genbrug.example"  # of the example


def happened[E: Event](model: type[E], **changes: Any) -> E:
    """An event with some fields changed; `details` and other parts too, by dictionaries."""
    data = example(model).model_dump(mode="json")
    for name, change in changes.items():
        data[name] = data[name] | change if isinstance(change, dict) and isinstance(data.get(name), dict) else change
    return model.model_validate(data)


def signup[E: SignupChange](model: type[E], **changes: Any) -> E:
    """On site unless told otherwise: no link to join."""
    on_site = {"attendance": "on-site", "online_url": None}
    return happened(model, **(on_site if changes.get("attendance") != "online" else {}), **changes)


def confirmed(**changes: Any) -> SignupConfirmed:
    return signup(SignupConfirmed, **changes)


def cancelled(**changes: Any) -> SignupCancelled:
    return signup(SignupCancelled, **{"cancel_url": None, "details": {"sequence": 1}} | changes)


def registered(**changes: Any) -> SupplierRegistered:
    return happened(SupplierRegistered, **changes)


def matched(**changes: Any) -> SupplierMatched:
    return happened(SupplierMatched, **changes)


def announced(**changes: Any) -> EventAnnounced:
    return happened(EventAnnounced, **changes)
