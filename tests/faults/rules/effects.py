"""What a command did, known by the events that name it as their cause."""

from collections import Counter
from collections.abc import Iterator, Mapping

from tests.faults.ledger import OK, Finding, Ledger, Sent, name_of

EXACTLY: Mapping[str, Mapping[str, int]] = {
    "register-supplier": {"supplier-registered": 1},
    "update-supplier": {"supplier-updated": 1},  # the load changes something with each
    "announce-event": {"event-announced": 1},
    "publish-demand": {"demand-published": 1},
}
"""Command answered `ok` -> the events that it leads to."""

AT_MOST: Mapping[str, Mapping[str, int]] = {
    "withdraw-supplier": {"supplier-withdrawn": 1},
    "sign-up": {"signup-confirmed": 1, "signup-waitlisted": 1},
    "cancel-signup": {"signup-cancelled": 1, "signup-promoted": 1},
    "close-demand": {"demand-closed": 1},
    "subscribe": {},
    "send-campaign": {},
}
"""Commands that may find it done already."""

BESIDES = frozenset({"supplier-matched"})
"""What a command may cause as often as there is something to find: see matching.py."""

DONE: Mapping[str, tuple[str, str]] = {
    "withdraw-supplier": ("supplier-withdrawn", "supplier_id"),
    "sign-up": ("signup-confirmed signup-waitlisted", "signup_id"),
    "cancel-signup": ("signup-cancelled", "signup_id"),
    "cancel-event": ("event-cancelled", "event_id"),
    "close-demand": ("demand-closed", "demand_id"),
}
"""What must have been told about the result's subject, whoever caused it."""


def one_effect(ledger: Ledger) -> Iterator[Finding]:
    """Counts events by their cause."""
    caused, waiting = ledger.by_cause(), ledger.waiting_events()
    subjects: dict[str, set[str]] = {}
    for event in ledger.told:
        subjects.setdefault(name_of(event), set()).add(str(event.subject))
    for sent in ledger.commands.values():
        found = Counter(name_of(event) for event in caused.get(sent.id, ()) if name_of(event) not in BESIDES)
        if sent.status != OK:
            if found and sent.replies:
                yield Finding("duplicated", str(sent), f"was refused with {sent.status}, yet caused {dict(found)}")
            continue
        yield from _counted(sent, found, waiting)
        yield from _done(sent, subjects, waiting)


def _counted(sent: Sent, found: Counter[str], waiting: set[str]) -> Iterator[Finding]:
    exact = EXACTLY.get(sent.name)
    most = exact if exact is not None else AT_MOST.get(sent.name)
    if most is None:  # cancel-event: one for each sign-up, see seats.py
        return
    for name in found.keys() | most.keys():
        if found[name] > most.get(name, 0):
            why = f"caused {found[name]} {name}, {most.get(name, 0)} would be right"
            yield Finding("duplicated", str(sent), why)
        elif exact is not None and found[name] < exact.get(name, 0) and not waiting & {*map(str, sent.result.values())}:
            yield Finding("lost", str(sent), f"was answered ok and caused no {name}; result {sent.result}")


def _done(sent: Sent, subjects: dict[str, set[str]], waiting: set[str]) -> Iterator[Finding]:
    if sent.name in DONE:
        names, key = DONE[sent.name]
        subject = str(sent.result.get(key))
        if subject not in waiting and not any(subject in subjects.get(name, ()) for name in names.split()):
            yield Finding("lost", str(sent), f"was answered ok, yet no {names} was told about {subject}")
