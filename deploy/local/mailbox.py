"""`mailbox`: the mails that the embedded system sent, as a list or one in full."""

import mailbox
from email.header import decode_header, make_header
from email.message import Message
from pathlib import Path


def mails(path: Path) -> list[Message]:
    """All mails in order of arrival; none where there is no mailbox yet."""
    if not (path / "new").exists():
        return []
    box = mailbox.Maildir(path, create=False)
    return [box[key] for key in sorted(box.keys(), key=_arrival)]


def _arrival(name: str) -> tuple[int, str]:
    seconds, _, rest = name.partition(".")
    return (int(seconds) if seconds.isdigit() else 0, rest)


def line(number: int, mail: Message) -> str:
    """One mail in one line: number, date, envelope's recipients, subject."""
    to = ", ".join(mail.get_all("X-Envelope-To", [])) or header(mail, "To")
    return f"{number:4}  {header(mail, 'Date'):31}  {to:36}  {header(mail, 'Subject')}"


def header(mail: Message, name: str) -> str:
    """A header as people read it: decoded, on one line."""
    return " ".join(str(make_header(decode_header(str(mail.get(name, ""))))).split())


def text(mail: Message) -> str:
    """The mail as people read it: its main headers and its text parts; other parts by name and type only."""
    names = ("X-Envelope-From", "X-Envelope-To", "From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe")
    head = [f"{name}: {header(mail, name)}" for name in names if name in mail]
    return "\n".join([*head, "", *(_part(part) for part in mail.walk() if not part.is_multipart())])


def _part(part: Message) -> str:
    kind = part.get_content_type()
    payload = part.get_payload(decode=True)
    if kind not in {"text/plain", "text/calendar"} or not isinstance(payload, bytes):
        return f"[{kind}{' ' + name if (name := part.get_filename()) else ''}]"
    return payload.decode(part.get_content_charset() or "utf-8", errors="replace").replace("\r\n", "\n")
