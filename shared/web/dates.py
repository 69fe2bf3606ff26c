"""Times as people read them: Danish by default, English on request."""

from datetime import datetime

from shared.contracts.types import Language

HOME = "Europe/Copenhagen"
"""The zone that need not be named to people here."""

DAYS = {
    "da": ("mandag", "tirsdag", "onsdag", "torsdag", "fredag", "lørdag", "søndag"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
MONTHS = {
    "da": (
        "januar",
        "februar",
        "marts",
        "april",
        "maj",
        "juni",
        "juli",
        "august",
        "september",
        "oktober",
        "november",
        "december",
    ),
    "en": (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
}


def day(moment: datetime, language: Language) -> str:
    """`tirsdag den 9. februar 2027`, `Tuesday 9 February 2027`."""
    weekday, month = DAYS[language][moment.weekday()], MONTHS[language][moment.month - 1]
    if language == "da":
        return f"{weekday} den {moment.day}. {month} {moment.year}"
    return f"{weekday} {moment.day} {month} {moment.year}"


def clock(moment: datetime, language: Language) -> str:
    """`14.00`, `14:00`."""
    return f"{moment:%H.%M}" if language == "da" else f"{moment:%H:%M}"


def span(starts: datetime, ends: datetime, zone: str, language: Language) -> str:
    """From when to when, in local wall time: `tirsdag den 9. februar 2027 kl. 14.00–17.00`. A foreign zone is named."""
    at = " kl. " if language == "da" else ", "
    first, last = clock(starts, language), clock(ends, language)
    if starts.date() == ends.date():
        told = f"{day(starts, language)}{at}{first}–{last}"
    else:
        until = "til" if language == "da" else "to"
        told = f"{day(starts, language)}{at}{first} {until} {day(ends, language)}{at}{last}"
    if zone == HOME:
        return told
    return f"{told} ({'lokal tid' if language == 'da' else 'local time'}, {zone})"
