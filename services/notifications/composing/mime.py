"""The mail itself (RFC 5322, RFC 2045 ff.): headers, a text and an HTML part, a calendar part where there is one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime
from typing import TYPE_CHECKING, override

from services.notifications.composing.templates import Content
from shared.contracts.types import Language

if TYPE_CHECKING:
    from services.notifications.composing.invitations import Invitation

LONGEST_NAME = 70


class MailPolicy(EmailPolicy):
    """7-bit mails with CRLF. Headers that hold one long word (links, ids) are not folded within it: the standard
    policy would turn them into encoded words, which no mail program reads as a link.
    """

    @override
    def fold(self, name: str, value: str) -> str:
        if name.lower().startswith("list-") or name.lower() == "message-id":
            return f"{name}: {value}{self.linesep}"
        return str(super().fold(name, value))

    @override
    def fold_binary(self, name: str, value: str) -> bytes:
        return self.fold(name, value).encode("ascii", "surrogateescape")


POLICY = MailPolicy(linesep=SMTP.linesep, cte_type="7bit", utf8=False, max_line_length=78)


class UnusableAddress(ValueError):
    """No mail can go to this address."""


@dataclass(frozen=True)
class Headers:
    """What stands above the text. `extra` holds what only campaigns or only transactional mails have."""

    sender: Address
    recipient: Address
    message_id: str
    date: datetime
    language: Language
    reply_to: Address | None
    extra: Mapping[str, str]


def address(email: str, name: str | None = None) -> Address:
    """One address. UnusableAddress where it is none, or more than one."""
    try:
        bare = Address(addr_spec=email)
        email.encode("ascii")
        return Address(one_line(name or "")[:LONGEST_NAME], addr_spec=bare.addr_spec)
    except (ValueError, IndexError, MessageError) as error:
        raise UnusableAddress(f"not an address that mail can go to: {type(error).__name__}") from None


def one_line(text: str) -> str:
    """Text for a header: no control characters, and nothing that a mail program would decode (RFC 2047)."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split()).replace("=?", "= ?")


def build(headers: Headers, content: Content, invitation: "Invitation | None") -> EmailMessage:
    """The mail. Nobody can add a header or a recipient by what he calls himself or an event."""
    mail = EmailMessage(policy=POLICY)
    mail["From"] = headers.sender
    mail["To"] = headers.recipient
    if headers.reply_to:
        mail["Reply-To"] = headers.reply_to
    mail["Subject"] = one_line(content.subject)
    mail["Date"] = format_datetime(headers.date)
    mail["Message-ID"] = headers.message_id
    for name, value in headers.extra.items():
        mail[name] = value
    mail.set_content(content.text, cte="quoted-printable")
    mail.add_alternative(content.html, subtype="html", cte="quoted-printable")
    if invitation:
        _invite(mail, invitation)
    mail["Content-Language"] = headers.language  # last: setting content takes away all headers that begin so
    return mail


def _invite(mail: EmailMessage, invitation: "Invitation") -> None:
    # Last of the alternatives: programs that know calendars take it. The attachment is for those that only open files.
    mail.add_alternative(
        invitation.content.decode(), subtype="calendar", cte="base64", params={"method": invitation.method}
    )
    mail.add_attachment(
        invitation.content,
        maintype="application",
        subtype="ics",
        filename="cancel.ics" if invitation.method == "CANCEL" else "invite.ics",
    )
