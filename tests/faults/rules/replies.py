"""Every command has one answer, however often it was sent, and it is one that is right for it."""

from collections.abc import Iterator

from tests.faults.ledger import OK, Finding, Ledger


def one_reply(ledger: Ledger) -> Iterator[Finding]:
    """No answer is lost, none differs from the first."""
    for sent in ledger.commands.values():
        if not sent.replies:
            yield Finding("lost", str(sent), f"sent {sent.sends} times with the same id, never answered")
        elif len(set(sent.replies)) > 1:
            yield Finding("duplicated", str(sent), f"two answers to one id: {' and '.join(sorted(set(sent.replies)))}")
        elif sent.status not in sent.right:
            why = f"answered {sent.status} where {sorted(sent.right)} would be right: {sent.replies[0][:300]}"
            yield Finding("duplicated" if sent.status == OK else "lost", str(sent), why)
