"""Everything that the stores hold was told, once by id; nothing was told that they do not hold."""

from collections import defaultdict
from collections.abc import Iterator

from tests.faults.ledger import Finding, Ledger, name_of

type Fact = tuple[str, str, int]
"""The event's family, its subject, and the version where each version is told (else 0)."""

VERSIONED = {
    "supplier-registered": "supplier",
    "supplier-updated": "supplier",
    "supplier-withdrawn": "supplier",
    "signup-confirmed": "signup",
    "signup-waitlisted": "signup",
    "signup-promoted": "signup",
    "signup-cancelled": "signup",
}
"""Events of which there is one for each version of the aggregate."""

COUNTED_ELSEWHERE = {"subscription-confirmed", "subscriber-unsubscribed"}
"""Told as often as somebody confirms or leaves: see subscribers.py."""


def told_once(ledger: Ledger) -> Iterator[Finding]:
    """Compares what the stores make one expect with what was told."""
    told: dict[Fact, set[str]] = defaultdict(set)
    for event in ledger.told:
        name = name_of(event)
        if name not in COUNTED_ELSEWHERE:
            versioned = VERSIONED.get(name)
            told[versioned or name, str(event.subject), (event.aggregateversion or 0) if versioned else 0].add(event.id)
    waiting = ledger.waiting_events()
    stored = {*_stored(ledger)}
    for fact in sorted(stored - told.keys()):
        if fact[1] not in waiting:
            yield Finding("lost", _said(fact), "stands in the store and was never told, nor does an outbox hold it")
    for fact in sorted(told.keys() - stored):
        yield Finding("lost", _said(fact), f"was told as {sorted(told[fact])} and stands in no store")
    for fact, ids in told.items():
        if len(ids) > 1:
            yield Finding("duplicated", _said(fact), f"one fact was told under {len(ids)} ids: {sorted(ids)}")


def _stored(ledger: Ledger) -> Iterator[Fact]:
    for family, service, collection in (("supplier", "supplier", "suppliers"), ("signup", "events", "signups")):
        for document in ledger.documents(service, collection):
            yield from ((family, document["_id"], version) for version in range(1, document["version"] + 1))
    for event in ledger.documents("events", "events"):
        yield "event-announced", event["_id"], 0
        if event["state"] == "cancelled":
            yield "event-cancelled", event["_id"], 0
    for demand in ledger.documents("procurement", "demands"):
        yield "demand-published", demand["_id"], 0
        if demand["state"] != "published":
            yield "demand-closed", demand["_id"], 0
    yield from (("supplier-matched", match["_id"], 0) for match in ledger.documents("procurement", "matches"))
    yield from _mailed(ledger)


def _mailed(ledger: Ledger) -> Iterator[Fact]:
    for mail in ledger.documents("notifications", "deliveries"):
        if mail["state"] == "sent":
            yield "mail-sent", mail["_id"], 0
        elif mail["state"] in ("failed", "uncertain"):
            yield "mail-failed", mail["_id"], 0
    for campaign in ledger.documents("notifications", "campaigns"):
        if campaign["state"] == "finished" and campaign["data"]:  # one without content stands for an event called off
            yield "campaign-finished", campaign["_id"], 0


def _said(fact: Fact) -> str:
    family, subject, version = fact
    return f"{family} {subject}" + (f" version {version}" if version else "")
