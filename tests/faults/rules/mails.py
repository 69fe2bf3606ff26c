"""Mails: one for everything that is to be told; a fault between DATA and its answer may leave one in doubt."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from shared.contracts.base import Envelope
from shared.store.port import Document
from tests.faults.ledger import Finding, Happened, Ledger, Mailed, name_of, shown

KINDS = {
    "supplier-registered": ("supplier-welcome",),
    "signup-confirmed": ("signup-confirmed",),
    "signup-waitlisted": ("signup-waitlisted",),
    "signup-promoted": ("signup-promoted",),
    "signup-cancelled": ("signup-cancelled",),
    "supplier-matched": ("match-buyer", "match-supplier"),
}
"""Event -> the kinds of mail that it leads to, one each."""

OF_SENDING = frozenset({"notifications", "services", "slow", "later", "vanishing", "down"})
"""What a fault strikes that can leave it in doubt whether a mail went out: the sender, or its mail server."""

REASONS = ("unsubscribed", "too late", "suppressed", "no longer asked for")
"""Why a mail is rightly not sent."""


def every_mail_due(ledger: Ledger) -> Iterator[Finding]:
    """Each event that a person is to hear of has its deliveries, and no delivery is without a cause."""
    found: dict[tuple[str, str], list[Document]] = defaultdict(list)
    for mail in ledger.documents("notifications", "deliveries"):
        found[mail["cause"], mail["kind"]].append(mail)
    newest = _newest(ledger)
    known = {*ledger.commands, *ledger.by_id("notifications", "campaigns"), *(e.id for e in ledger.told)}
    for event in ledger.named(*KINDS):
        for kind in KINDS[name_of(event)]:
            mails = found[event.id, kind]
            if not mails and not _old_news(event, newest):
                yield Finding("lost", f"mail {kind} for {event.subject}", f"event {event.id} led to no delivery")
            if len(mails) > 1:
                why = f"event {event.id} led to {len(mails)} deliveries"
                yield Finding("duplicated", f"mail {kind} for {event.subject}", why)
    for (cause, kind), mails in found.items():
        if cause not in known and kind != "confirm-subscription":  # a form's id is not known here
            yield Finding("duplicated", f"mail {kind}", f"nothing that is known caused {shown(mails[0])}")
    every = ledger.documents("notifications", "deliveries")
    asked = Counter(mail["recipient"] for mail in every if mail["kind"] == "confirm-subscription")
    for subscriber in ledger.documents("notifications", "subscribers"):
        if (count := asked[subscriber["email"]]) != 1:
            why = f"{count} deliveries, one in 24 hours would be right"
            yield Finding("lost" if count < 1 else "duplicated", f"confirmation mail to {subscriber['email']}", why)


def _newest(ledger: Ledger) -> dict[str, int]:
    """Subject -> the version from which on older news of it may rightly stay untold."""
    newest: dict[str, int] = {}
    for event in ledger.named("signup-waitlisted", "signup-promoted", "signup-cancelled", "supplier-withdrawn"):
        newest[str(event.subject)] = max(newest.get(str(event.subject), 0), event.aggregateversion or 0)
    return newest


def _old_news(event: Envelope, newest: dict[str, int]) -> bool:
    return newest.get(str(event.subject), 0) > (event.aggregateversion or 0)


def every_mail_once(ledger: Ledger) -> Iterator[Finding]:
    """How each delivery ended, against what the mail server took."""
    taken: dict[str, list[Mailed]] = defaultdict(list)
    for mail in ledger.mails:
        taken[mail.message_id].append(mail)
    for delivery in ledger.documents("notifications", "deliveries"):
        yield from _delivered(ledger, delivery, taken.pop(delivery["message_id"], []))
    for message_id, mails in taken.items():
        yield Finding("duplicated", f"mail to {mails[0].recipient}", f"no delivery has its Message-ID {message_id}")


def _delivered(ledger: Ledger, delivery: Document, taken: list[Mailed]) -> Iterator[Finding]:
    what, state = f"mail {delivery['kind']} to {delivery['recipient']} ({delivery['_id']})", delivery["state"]
    if state == "sent" and not taken:
        yield Finding("lost", what, "is kept as sent, and the mail server never took it")
    doubted = delivery["doubts"] and len(taken) == 1  # it was out already
    if state == "skipped" and (taken or delivery["reason"] not in REASONS) and not doubted:
        yield Finding("lost", what, f"was skipped ({delivery['reason']}) and came {len(taken)} times")
    if state == "failed":
        yield Finding("lost", what, f"was given up: {delivery['code']} {delivery['reason']}")
    doubts = delivery["doubts"] + (state == "uncertain")
    if len(taken) > 1:
        yield _twice(ledger, what, taken, doubts)
    elif state == "uncertain":
        excuse = ledger.fault_of(_of_sending)
        yield Finding("uncertain" if excuse else "lost", what, f"{delivery['reason']}; it came {len(taken)} times")


def _of_sending(fault: Happened) -> bool:
    return fault.target in OF_SENDING


def _twice(ledger: Ledger, what: str, taken: list[Mailed], doubts: int) -> Finding:
    excuse = ledger.fault_of(_of_sending, before=taken[1].at)
    if excuse and len(taken) <= 1 + doubts:
        why = f"came {len(taken)} times with one Message-ID, after {excuse.kind} {excuse.target}"
        return Finding("uncertain", what, why)
    after = f"after {excuse.kind} {excuse.target}" if excuse else "and no fault explains it"
    return Finding("duplicated", what, f"came {len(taken)} times; {doubts} doubts were noted, {after}")


def campaigns_reach_all(ledger: Ledger) -> Iterator[Finding]:
    """Every campaign is finished, its sums are right, and each subscriber of the topic has one delivery of it."""
    campaigns = ledger.by_id("notifications", "campaigns")
    for sent in ledger.answered("send-campaign"):
        if str(sent.result.get("campaign_id")) not in campaigns:
            yield Finding("lost", str(sent), f"was answered ok, yet the store has no {sent.result}")
    announced = sum(campaign["kind"] == "event-announced" for campaign in campaigns.values())
    if announced != (events := len(ledger.documents("events", "events"))):
        yield Finding("lost", "announcements", f"{announced} campaigns announce {events} network events")
    mails = [m for m in ledger.documents("notifications", "deliveries") if m["campaign_id"]]
    states: dict[str, Counter[str]] = defaultdict(Counter)
    for mail in mails:
        states[mail["campaign_id"]][mail["state"]] += 1
    for pair, count in Counter((mail["campaign_id"], mail["address_id"]) for mail in mails).items():
        if count > 1:
            yield Finding("duplicated", f"campaign and subscriber {pair}", f"{count} deliveries")
    for campaign in campaigns.values():
        if campaign["state"] == "finished":
            yield from _finished(campaign, states[campaign["_id"]])
            yield from _audience(
                ledger, campaign, {m["address_id"] for m in mails if m["campaign_id"] == campaign["_id"]}
            )


def _finished(campaign: Document, states: Counter[str]) -> Iterator[Finding]:
    tally = {state: count for state, count in campaign["outcome"].items() if count}
    if tally != dict(states):
        yield Finding("lost", f"campaign {campaign['_id']}", f"finished with {tally}, its mails are {dict(states)}")


def _audience(ledger: Ledger, campaign: Document, reached: set[str]) -> Iterator[Finding]:
    if campaign["expires_at"] and campaign["expires_at"] <= campaign["finished_at"]:
        return  # called off meanwhile
    confirmed: dict[str, set[str]] = defaultdict(set)
    for consent in ledger.documents("notifications", "consents"):
        if consent["action"] == "confirmed" and consent["at"] < campaign["created_at"]:
            confirmed[consent["subscriber_id"]] |= set(consent["topics"])
    for subscriber in ledger.documents("notifications", "subscribers"):
        key, topic = subscriber["_id"], campaign["topic"]
        if topic in confirmed[key] and topic in subscriber["topics"] and key not in reached:
            what = f"campaign {campaign['_id']} to {subscriber['email']}"
            yield Finding("lost", what, "who confirmed before it has no mail of it")
