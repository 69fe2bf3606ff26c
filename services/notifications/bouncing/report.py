"""What a delivery status notification says (RFC 3464), and about which of our mails."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from email.utils import getaddresses

from services.notifications.domain import Bounce
from services.notifications.verp import delivery_of

RETURNED_TO = ("Delivered-To", "X-Original-To", "Envelope-To", "To")
"""Headers that name the address that a report came to; the first three are written by our own mail server."""

STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
LATER = re.compile(r"5\.2\.2|5\.7\.\d+")
"""Failed for good, but the address is not dead: the mailbox is full, or a policy was against this mail."""


@dataclass(frozen=True)
class Report:
    """A mail that came back."""

    mail_id: str
    bounce: Bounce
    status: str
    said: str


def read_report(raw: bytes, key: bytes) -> Report | None:
    """None for what is no report of a failure, or of no mail of ours: `key` signs our return addresses."""
    message = message_from_bytes(raw, policy=compat32)
    mail_id = next((found for address in _addresses(message) if (found := delivery_of(address, key))), None)
    failure = next(_failures(message), None)
    if mail_id is None or failure is None:
        return None
    status, said = failure
    soft = status[0] != "5" or LATER.fullmatch(status) is not None
    return Report(mail_id, "soft" if soft else "hard", status, said)


def _addresses(message: Message) -> Iterator[str]:
    for name in RETURNED_TO:
        values = [str(value) for value in message.get_all(name, [])]
        yield from (address for _, address in getaddresses(values))


def _failures(message: Message) -> Iterator[tuple[str, str]]:
    """Status and the server's words, of each recipient whom it did not reach. One who is only late is none."""
    for part in message.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        for block in part.walk():
            action = str(block.get("Action", "")).strip().lower()
            status = STATUS.match(str(block.get("Status", "")))
            if action == "failed" and status:
                yield status[1], str(block.get("Diagnostic-Code", ""))
