"""The events that others hear, from the state as it now stands."""

from datetime import datetime
from typing import Any, Protocol

from services.events.domain.network_event import NetworkEvent
from services.events.domain.signup import Signup
from shared.contracts.events import (
    EventAnnounced,
    EventCancelled,
    EventDetails,
    SignupCancelled,
    SignupConfirmed,
    SignupPromoted,
    SignupWaitlisted,
)


class Links(Protocol):
    """Where people find the service's pages."""

    def sign_up_url(self, event_id: str) -> str:
        """The page to sign up on."""

    def cancel_url(self, signup_id: str, until: datetime) -> str:
        """The page to cancel a sign-up on; the link works until then."""


def announced(event: NetworkEvent, links: Links) -> EventAnnounced:
    """The event is open for sign-up."""
    return EventAnnounced(
        event_id=event.id,
        details=_details(event),
        capacity_on_site=event.on_site.capacity,
        capacity_online=event.online.capacity,
        sign_up_url=links.sign_up_url(event.id),
    )


def called_off(event: NetworkEvent) -> EventCancelled:
    """The event does not take place."""
    return EventCancelled(event_id=event.id, details=_details(event), reason=event.reason)


def signed_up(event: NetworkEvent, signup: Signup, links: Links) -> SignupConfirmed | SignupWaitlisted:
    """A new sign-up: its seat, or its position in the waiting list. `event` as it stands with the sign-up in it."""
    if signup.state == "confirmed":
        return SignupConfirmed(**_with_seat(event, signup, links))
    position = event.seats(signup.attendance).waiting
    return SignupWaitlisted(**_active(event, signup, links), position=position)


def promoted(event: NetworkEvent, signup: Signup, links: Links) -> SignupPromoted:
    """A person got a seat from the waiting list."""
    return SignupPromoted(**_with_seat(event, signup, links))


def cancelled(event: NetworkEvent, before: Signup) -> SignupCancelled:
    """A person's sign-up, as it was `before`, is no more: he cancelled, or the event was called off.

    The calendar's sequence is one higher than the person's entry had (RFC 5546); calling the event off counted it up.
    """
    by_event = event.state == "cancelled"
    return SignupCancelled(
        **_person(before),
        details=_details(event, sequence=event.sequence if by_event else event.sequence + 1),
        had_seat=before.state == "confirmed",
        event_cancelled=by_event,
        reason=event.reason if by_event else "",
    )


def _details(event: NetworkEvent, sequence: int | None = None) -> EventDetails:
    return EventDetails(
        event_id=event.id,
        title=event.title,
        starts_at=datetime.fromisoformat(event.starts_at),
        ends_at=datetime.fromisoformat(event.ends_at),
        timezone=event.timezone,
        place=event.place,
        description=event.description,
        sequence=event.sequence if sequence is None else sequence,
    )


def _person(signup: Signup) -> dict[str, Any]:
    return {
        "signup_id": signup.id,
        "event_id": signup.event_id,
        "name": signup.name,
        "email": signup.email,
        "attendance": signup.attendance,
        "language": signup.language,
    }


def _active(event: NetworkEvent, signup: Signup, links: Links) -> dict[str, Any]:
    cancel_url = links.cancel_url(signup.id, event.ends)
    return {**_person(signup), "details": _details(event), "cancel_url": cancel_url}


def _with_seat(event: NetworkEvent, signup: Signup, links: Links) -> dict[str, Any]:
    online_url = event.online_url if signup.attendance == "online" else None
    return {**_active(event, signup, links), "online_url": online_url}
