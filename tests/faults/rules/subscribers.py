"""Subscribers: one for each address, with the topics that they confirmed and did not give up."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.faults.ledger import Finding, Ledger, name_of


def one_subscriber(ledger: Ledger) -> Iterator[Finding]:
    """By address; each change has its entry in the consent log and its event."""
    subscribers = ledger.documents("notifications", "subscribers")
    emails = Counter(subscriber["email"] for subscriber in subscribers)
    for email, count in emails.items():
        if count > 1:
            yield Finding("duplicated", f"subscriber {email}", f"{count} in the store")
    asked = {str(sent.data["email"]).lower() for sent in ledger.answered("subscribe")}
    asked |= {page.about["email"] for page in ledger.pages if page.verb == "subscribe" and page.status == 200}
    for email in sorted(asked - emails.keys()):
        yield Finding("lost", f"subscriber {email}", "asked for topics and was told yes, yet is not in the store")
    entries: dict[str, Counter[str]] = defaultdict(Counter)
    for consent in ledger.documents("notifications", "consents"):
        entries[consent["subscriber_id"]][consent["action"]] += 1
    told: dict[str, Counter[str]] = defaultdict(Counter)
    for event in ledger.named("subscription-confirmed", "subscriber-unsubscribed"):
        told[str(event.subject)][name_of(event)] += 1
    for subscriber in subscribers:
        key = subscriber["_id"]
        yield from _entries(key, subscriber["version"], entries[key], told[key])


def _entries(id: str, version: int, entries: Counter[str], told: Counter[str]) -> Iterator[Finding]:
    if entries.total() != version:
        why = f"changed {version} times, the log has {dict(entries)}"
        yield Finding("lost" if entries.total() < version else "duplicated", f"consents of subscriber {id}", why)
    for action, name in (("confirmed", "subscription-confirmed"), ("gave-up", "subscriber-unsubscribed")):
        if told[name] != entries[action]:
            why = f"{entries[action]} times in the consent log, told {told[name]} times"
            yield Finding("lost" if told[name] < entries[action] else "duplicated", f"{name} of {id}", why)


def topics_as_wanted(ledger: Ledger) -> Iterator[Finding]:
    """What the last answered click said is what stands in the store; the load has nobody come back after leaving."""
    topics = {s["email"]: set(s["topics"]) for s in ledger.documents("notifications", "subscribers")}
    left: dict[str, set[str]] = defaultdict(set)
    for page in ledger.pages:
        if page.verb == "unsubscribe" and page.status == 200:
            left[page.about["email"]].add(page.about["topic"])
    for email, given_up in left.items():
        if still := given_up & topics.get(email, set()):
            yield Finding("lost", f"unsubscription of {email}", f"was answered 200, yet {sorted(still)} still stand")
    for page in ledger.pages:
        if page.verb == "confirm" and page.status == 200:
            wanted = set(page.about["topics"].split()) - left[page.about["email"]]
            if missing := wanted - topics.get(page.about["email"], set()):
                why = f"the page said yes, yet {sorted(missing)} are missing"
                yield Finding("lost", f"confirmation of {page.about['email']}", why)
