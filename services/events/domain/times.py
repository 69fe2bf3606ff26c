"""From local wall time to an instant."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


class NoSuchTime(ValueError):
    """The clocks of the zone never show that time; the text says what to do."""


def instant(wall: datetime, zone: str) -> datetime:
    """When a zone's clocks show `wall`, in UTC.

    Where the clocks go back and show it twice, the first of the two. NoSuchTime where they jump over it, and for years
    that cannot be told in UTC.
    """
    local = wall.replace(tzinfo=ZoneInfo(zone), fold=0)
    try:
        moment = local.astimezone(UTC)
        shown = moment.astimezone(local.tzinfo).replace(tzinfo=None)
    except OverflowError:
        raise NoSuchTime("is too far away: give a time within the next years") from None
    if shown != wall.replace(fold=0):
        raise NoSuchTime(f"never is in {zone}: the clocks jump over it that night; give an earlier or a later time")
    return moment
