"""Nothing is left: no event to tell, no mail to send, no message to handle, no innocent message laid aside."""

from collections.abc import Iterator

from tests.faults.ledger import Finding, Ledger, shown

OPEN = ("queued", "sending")


def nothing_left(ledger: Ledger) -> Iterator[Finding]:
    """Once the system is quiet."""
    for service, collection, document in ledger.owed():
        events = [f"{e.get('type')} {e.get('id')}" for e in document.get("outbox", ())]
        why = f"still has to tell {events}: {shown(document)}"
        yield Finding("stuck", f"{service} {collection} {document['_id']}", why)
    for mail in ledger.documents("notifications", "deliveries"):
        if mail["state"] in OPEN:
            yield Finding("stuck", f"mail {mail['kind']} {mail['_id']}", f"is still {mail['state']}: {shown(mail)}")
    for campaign in ledger.documents("notifications", "campaigns"):
        if campaign["state"] != "finished":
            yield Finding("stuck", f"campaign {campaign['_id']}", f"is still {campaign['state']}: {shown(campaign)}")
    for queue, count in ledger.queues.items():
        if count:
            yield Finding("stuck", f"queue {queue}", f"still holds {count} messages")
    yield from (Finding("stuck", "the system", reason) for reason in ledger.unsettled)


def innocent_alive(ledger: Ledger) -> Iterator[Finding]:
    """Laid aside is what no service could ever read, all of it, and nothing else."""
    guilty = {sent.id for sent in ledger.commands.values() if sent.buried}
    for message, service, why in ledger.dead:
        if message not in guilty:
            yield Finding("stuck", f"message {message}", f"is a dead letter of {service}: {why}")
    for message in guilty - {letter[0] for letter in ledger.dead}:
        yield Finding("lost", f"unreadable command {message}", "was answered, and laid aside nowhere")
