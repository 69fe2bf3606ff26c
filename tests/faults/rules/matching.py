"""Demands and suppliers: every pair that fits is matched, once."""

from collections import Counter
from collections.abc import Iterator

from shared.contracts.cpv import related
from shared.store.port import Document
from tests.faults.ledger import Finding, Ledger


def pairs_matched(ledger: Ledger) -> Iterator[Finding]:
    """Who fits a demand that is open at the end must have been matched; who was matched must have fitted once."""
    demands, suppliers = ledger.by_id("procurement", "demands"), ledger.by_id("supplier", "suppliers")
    for sent in ledger.answered("publish-demand", "close-demand"):
        demand = demands.get(str(sent.result.get("demand_id")))
        if demand is None:
            yield Finding("lost", str(sent), f"was answered ok, yet the store has no {sent.result}")
        elif sent.name == "close-demand" and demand["state"] != sent.data.get("outcome", "closed"):
            yield Finding("lost", str(sent), f"was answered ok, yet the demand is {demand['state']}")
    pairs = Counter((m["demand_id"], m["supplier_id"]) for m in ledger.documents("procurement", "matches"))
    for pair, count in pairs.items():
        if count > 1:
            yield Finding("duplicated", f"match of demand and supplier {pair}", f"{count} in the store")
    for demand in demands.values():
        for supplier in suppliers.values():
            pair = (demand["_id"], supplier["_id"])
            if demand["state"] == "published" and _fits(demand, supplier) and pair not in pairs:
                yield Finding("lost", f"match of demand and supplier {pair}", "they fit, and no match is in the store")
    fitted = _ever(ledger, demands)
    for pair in pairs.keys() - fitted:
        yield Finding("duplicated", f"match of demand and supplier {pair}", "no profile ever told would fit the demand")


def _fits(demand: Document, supplier: Document) -> bool:
    codes = [offering["cpv"] for offering in supplier["offerings"] if offering["cpv"]]
    return supplier["state"] == "active" and any(related(a, b) for a in codes for b in demand["cpv"])


def _ever(ledger: Ledger, demands: dict[str, Document]) -> set[tuple[str, str]]:
    profiles = [event.data for event in ledger.named("supplier-registered", "supplier-updated")]
    return {
        (demand["_id"], profile["supplier_id"])
        for demand in demands.values()
        for profile in profiles
        if _fits(demand, {**profile, "state": "active"})
    }
