"""A sign-up as a calendar entry: REQUEST puts it into a calendar, CANCEL takes it back (RFC 5545, RFC 5546).

The entry's UID is made of the sign-up's id, so every later mail about it changes the same entry.
"""

from datetime import UTC, datetime
from typing import Literal

from icalendar import Calendar, Event, Timezone, vCalAddress, vText, vUri

from services.notifications.domain import Delivery, instant
from shared.contracts.events import EventDetails, SignupCancelled, SignupChange
from shared.contracts.types import CONTROL
from shared.web.dates import HOME

# Daylight saving as it has been since 1996 (directive 2000/84/EC); written out, because generated ones differ.
COPENHAGEN = Timezone.from_ical(
    "\r\n".join(
        (
            "BEGIN:VTIMEZONE",
            "TZID:Europe/Copenhagen",
            "BEGIN:DAYLIGHT",
            "TZOFFSETFROM:+0100",
            "TZOFFSETTO:+0200",
            "TZNAME:CEST",
            "DTSTART:19960331T020000",
            "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
            "END:DAYLIGHT",
            "BEGIN:STANDARD",
            "TZOFFSETFROM:+0200",
            "TZOFFSETTO:+0100",
            "TZNAME:CET",
            "DTSTART:19961027T030000",
            "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
            "END:STANDARD",
            "END:VTIMEZONE",
            "",
        )
    )
)


class Invitation:
    """A calendar object: its method (also for the mail's Content-Type) and its bytes."""

    def __init__(self, method: Literal["REQUEST", "CANCEL"], calendar: Calendar) -> None:
        self.method = method
        self.content: bytes = calendar.to_ical()


def invitation(delivery: Delivery, organizer: str, domain: str) -> Invitation | None:
    """What the calendar is to learn by a mail about a seat; None where the person has no entry in it.

    `organizer` is our address, `domain` the one that makes the UID unique in the world.
    """
    event = (SignupCancelled if delivery.kind == "signup-cancelled" else SignupChange).model_validate(delivery.data)
    cancelled = isinstance(event, SignupCancelled)
    if isinstance(event, SignupCancelled) and not event.had_seat:
        return None
    method: Literal["REQUEST", "CANCEL"] = "CANCEL" if cancelled else "REQUEST"
    calendar = Calendar()
    calendar.add("prodid", "-//Rummelig//Notifications//DA")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method)
    if event.details.timezone == HOME:
        calendar.add_component(COPENHAGEN)
    entry = _entry(event, delivery.created_at, cancelled=cancelled)
    entry.add("uid", f"{event.signup_id}@{domain}")
    entry.add("organizer", vCalAddress(f"mailto:{organizer}"), encode=False)  # bare: names here confuse Outlook
    entry.add("attendee", _attendee(delivery), encode=False)
    calendar.add_component(entry)
    return Invitation(method, calendar)


def _entry(event: SignupChange, stamp: datetime, *, cancelled: bool) -> Event:
    details = event.details
    entry = Event()
    entry.add("dtstamp", stamp.astimezone(UTC))
    for name, moment in (("dtstart", details.starts_at), ("dtend", details.ends_at)):
        entry.add(name, _local_or_utc(moment, details.timezone))
        if details.timezone == HOME:
            entry[name].params["TZID"] = HOME
    entry.add("sequence", max(details.sequence, 1) if cancelled else details.sequence)
    entry.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    entry.add("summary", details.title)
    if where := _location(event, details):
        entry.add("location", where)
    if event.online_url and not cancelled:
        entry.add("url", vUri(event.online_url), encode=False)
    if about := "\n\n".join(filter(None, (details.description, None if cancelled else event.online_url))):
        entry.add("description", about)
    entry.add("transp", "TRANSPARENT" if cancelled else "OPAQUE")
    return entry


def _local_or_utc(moment: datetime, zone: str) -> datetime:
    """Wall time without zone at home, where the parameter TZID tells it; elsewhere the instant in UTC."""
    return moment.replace(tzinfo=None) if zone == HOME else instant(moment, zone)


def _location(event: SignupChange, details: EventDetails) -> str:
    if event.attendance == "on-site":
        return f"{details.place.name}, {details.place.address}" if details.place else ""
    return "Online"


def _attendee(delivery: Delivery) -> vCalAddress:
    # Accepted already, and no answer wanted: who signs up has said yes.
    attendee = vCalAddress(f"mailto:{delivery.recipient}")
    values = {"ROLE": "REQ-PARTICIPANT", "PARTSTAT": "ACCEPTED", "RSVP": "FALSE", "CUTYPE": "INDIVIDUAL"}
    for name, value in values.items():
        attendee.params[name] = vText(value)
    if name := " ".join(CONTROL.sub(" ", delivery.name or "").replace('"', "'").split()):
        attendee.params["CN"] = vText(name)
    return attendee
