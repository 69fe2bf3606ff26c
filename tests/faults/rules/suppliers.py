"""One profile for each CVR number, and the copies that others keep of it."""

from collections import Counter
from collections.abc import Iterator

from shared.store.port import Document
from tests.faults.ledger import Finding, Ledger, shown

COPIED = ("name", "email", "municipality", "cvr", "language")


def one_profile(ledger: Ledger) -> Iterator[Finding]:
    """By CVR number."""
    for cvr, count in Counter(d["cvr"] for d in ledger.documents("supplier", "suppliers")).items():
        if count > 1:
            yield Finding("duplicated", f"supplier with CVR {cvr}", f"{count} profiles in the store")
    known = ledger.by_id("supplier", "suppliers")
    for sent in ledger.answered("register-supplier"):
        if sent.result.get("supplier_id") not in known:
            yield Finding("lost", str(sent), f"was answered ok, yet the store has no {sent.result}")


def same_everywhere(ledger: Ledger) -> Iterator[Finding]:
    """What procurement and notifications know is what the supplier service holds."""
    copies, news = ledger.by_id("procurement", "suppliers"), ledger.by_id("notifications", "news")
    for supplier in ledger.documents("supplier", "suppliers"):
        key = supplier["_id"]
        if (why := _differs(supplier, copies.get(key))) is not None:
            yield Finding("lost", f"procurement's copy of supplier {key}", why)
        heard = news[key]["heard"] if key in news else None
        if heard != supplier["version"]:
            why = f"heard of version {heard}, the profile is at {supplier['version']}"
            yield Finding("lost", f"notifications' news of supplier {key}", why)
    for key in copies.keys() - ledger.by_id("supplier", "suppliers").keys():
        yield Finding("duplicated", f"procurement's copy of supplier {key}", "the supplier service has no such profile")


def _differs(supplier: Document, copy: Document | None) -> str | None:
    if copy is None:
        return "there is none"
    if copy["version"] != supplier["version"]:
        return f"stands at version {copy['version']}, the profile is at {supplier['version']}"
    if supplier["state"] == "withdrawn":
        return None if not copy["codes"] and not copy["name"] else f"is still there after the withdrawal: {shown(copy)}"
    wrong = [name for name in COPIED if copy[name] != supplier[name]]
    return f"{', '.join(wrong)} differ: {shown(copy)}" if wrong else None
