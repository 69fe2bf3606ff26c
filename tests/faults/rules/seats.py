"""Seats and waiting lists: exact, in order, one sign-up for each person and event."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from shared.store.port import Document
from tests.faults.ledger import Finding, Ledger

KINDS = {"on-site": "on_site", "online": "online"}


def seats_add_up(ledger: Ledger) -> Iterator[Finding]:
    """What an event counts is what its sign-ups are; who came first has the seat."""
    signups: dict[tuple[str, str], list[Document]] = defaultdict(list)
    for signup in ledger.documents("events", "signups"):
        signups[signup["event_id"], signup["attendance"]].append(signup)
    for event in ledger.documents("events", "events"):
        for attendance, name in KINDS.items():
            what = f"event {event['_id']} {attendance}"
            yield from _seats(what, event, event[name], signups[event["_id"], attendance])


def _seats(what: str, event: Document, seats: dict[str, Any], signups: list[Document]) -> Iterator[Finding]:
    states = Counter(signup["state"] for signup in signups)
    if states["confirmed"] > seats["capacity"]:
        yield Finding("duplicated", what, f"{states['confirmed']} people have one of {seats['capacity']} seats")
    counted = {"confirmed": seats["taken"], "waiting": seats["waiting"]}
    if any(states[state] != count for state, count in counted.items()):
        yield Finding("lost", what, f"the event counts {counted}, its sign-ups are {dict(states)}")
    arrivals = sorted(signup["arrival"] for signup in signups)
    if arrivals != list(range(1, seats["arrivals"] + 1)):
        why = f"{seats['arrivals']} arrivals were counted, the sign-ups have {arrivals}"
        yield Finding("lost" if len(arrivals) < seats["arrivals"] else "duplicated", what, why)
    if states["waiting"] and states["confirmed"] < seats["capacity"]:
        yield Finding("stuck", what, f"{states['waiting']} wait, yet {states['confirmed']} of {seats['capacity']} sit")
    yield from _order(what, signups)
    if event["state"] == "cancelled" and (states["confirmed"] or states["waiting"]):
        yield Finding("stuck", what, f"the event was called off, its sign-ups are {dict(states)}")


def _order(what: str, signups: list[Document]) -> Iterator[Finding]:
    seated = max((s["arrival"] for s in signups if s["state"] == "confirmed"), default=0)
    waits = min((s["arrival"] for s in signups if s["state"] == "waiting"), default=seated + 1)
    if waits < seated:
        yield Finding("lost", what, f"number {waits} waits while number {seated}, who came later, has a seat")


def one_signup(ledger: Ledger) -> Iterator[Finding]:
    """By person and event; what was answered stands in the store, and others have heard of it."""
    signups = ledger.by_id("events", "signups")
    active = Counter((s["event_id"], s["email"]) for s in signups.values() if s["state"] != "cancelled")
    for (event_id, email), count in active.items():
        if count > 1:
            yield Finding("duplicated", f"sign-up of {email} for {event_id}", f"{count} are active")
    for sent in ledger.answered("sign-up", "cancel-signup"):
        signup = signups.get(str(sent.result.get("signup_id")))
        if signup is None:
            yield Finding("lost", str(sent), f"was answered ok, yet the store has no {sent.result}")
        elif sent.name == "cancel-signup" and signup["state"] != "cancelled":
            yield Finding("lost", str(sent), f"was answered ok, yet the sign-up is {signup['state']}")
    yield from _as_pages_said(ledger)
    heard = ledger.by_id("notifications", "heard_signups")
    for key, signup in signups.items():
        version = heard[key]["version"] if key in heard else None
        if version != signup["version"]:
            why = f"heard of version {version}, the sign-up is at {signup['version']}"
            yield Finding("lost", f"notifications' knowledge of sign-up {key}", why)


def _as_pages_said(ledger: Ledger) -> Iterator[Finding]:
    signups = ledger.by_id("events", "signups")
    people = {(s["event_id"], s["email"]) for s in signups.values()}
    for page in ledger.pages:
        if page.verb == "sign-up" and page.status == 200 and (page.about["event"], page.about["email"]) not in people:
            yield Finding("lost", f"form of {page.about['email']}", f"said yes; no sign-up for {page.about['event']}")
        if page.verb == "cancel" and page.status == 200 and signups[page.about["signup"]]["state"] != "cancelled":
            yield Finding("lost", f"cancel link of {page.about['signup']}", "said it is done; the sign-up is active")
