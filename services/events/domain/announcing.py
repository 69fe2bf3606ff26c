"""What a new network event must fulfil. Every fault is told at once, each with what to do."""

from collections.abc import Iterator
from datetime import datetime

from services.events.domain.network_event import NetworkEvent, Seats
from services.events.domain.times import NoSuchTime, instant
from shared.contracts.base import FieldError
from shared.contracts.events import AnnounceEvent, PlaceState
from shared.contracts.problems import Invalid


def announce(id: str, wish: AnnounceEvent, now: datetime) -> NetworkEvent:
    """A new event. Invalid with every field that is wrong."""
    starts, ends, faults = _times(wish, now)
    faults += _where(wish)
    if starts is None or ends is None or faults:
        raise Invalid("; ".join(f"{f.field}: {f.message}" for f in faults), faults)
    return NetworkEvent(
        id=id,
        title=wish.title,
        description=wish.description,
        starts_at=wish.starts_at.isoformat(),
        ends_at=wish.ends_at.isoformat(),
        timezone=wish.timezone,
        starts=starts,
        ends=ends,
        place=PlaceState(name=wish.place.name, address=wish.place.address) if wish.place else None,
        online_url=wish.online_url,
        on_site=Seats(capacity=wish.capacity_on_site),
        online=Seats(capacity=wish.capacity_online),
    )


def _times(wish: AnnounceEvent, now: datetime) -> tuple[datetime | None, datetime | None, list[FieldError]]:
    starts, faults = _instant("starts_at", wish.starts_at, wish.timezone)
    ends, more = _instant("ends_at", wish.ends_at, wish.timezone)
    faults += more
    if starts is not None and starts <= now:
        faults.append(FieldError(field="starts_at", message="is in the past: give a time that is still to come"))
    if starts is not None and ends is not None and ends <= starts:
        faults.append(FieldError(field="ends_at", message="must be later than starts_at"))
    return starts, ends, faults


def _instant(field: str, wall: datetime, zone: str) -> tuple[datetime | None, list[FieldError]]:
    try:
        return instant(wall, zone), []
    except NoSuchTime as fault:
        return None, [FieldError(field=field, message=str(fault))]


def _where(wish: AnnounceEvent) -> list[FieldError]:
    if not (wish.place or wish.online_url or wish.capacity_on_site or wish.capacity_online):
        message = "give a place with capacity_on_site, an online_url with capacity_online, or both"
        return [FieldError(field="place", message=message)]
    return [FieldError(field=field, message=message) for field, message in _half_told(wish)]


def _half_told(wish: AnnounceEvent) -> Iterator[tuple[str, str]]:
    if wish.capacity_on_site and not wish.place:
        yield "place", f"is missing: where are the {wish.capacity_on_site} seats of capacity_on_site?"
    if wish.place and not wish.capacity_on_site:
        yield "capacity_on_site", "is 0: say how many seats the place has, or leave place out"
    if wish.capacity_online and not wish.online_url:
        yield "online_url", f"is missing: where do the {wish.capacity_online} of capacity_online meet?"
    if wish.online_url and not wish.capacity_online:
        yield "capacity_online", "is 0: say how many may join online, or leave online_url out"
