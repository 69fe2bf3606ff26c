"""A campaign's mail as bytes with gaps: what differs from one recipient to the next is filled in, the rest is encoded
once. The bytes are those that `mime.build` makes; where that is not certain there is no pattern.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.quoprimime import body_encode
from email.utils import format_datetime

from services.notifications.composing.mime import POLICY, Headers, build
from services.notifications.composing.templates import Content

SIMPLE_ADDRESS = re.compile(r"[a-z0-9_+-]+(\.[a-z0-9_+-]+)*@[a-z0-9-]+(\.[a-z0-9-]+)+", re.IGNORECASE)
"""Addresses that stand in a header as they are; others take the long way."""
SIMPLE_ID = re.compile(r"<[a-z0-9.-]+@[a-z0-9.-]+>", re.IGNORECASE)
SIMPLE_VALUE = re.compile(r"[!-~]+( [!-~]+)*")
UNSUBSCRIBE = "List-Unsubscribe"
GAPS = ("To", "Date", "Message-ID", UNSUBSCRIBE)
_FIELDS = re.compile(rb"\r\n(?![ \t])")


@dataclass(frozen=True)
class Fill:
    """What differs."""

    recipient: str
    date: datetime
    message_id: str
    unsubscribe: str
    url: str

    @property
    def simple(self) -> bool:
        """Whether headers hold it unfolded and unencoded."""
        return (
            SIMPLE_ADDRESS.fullmatch(self.recipient) is not None
            and len(self.recipient) <= 70
            and SIMPLE_ID.fullmatch(self.message_id) is not None
            and SIMPLE_VALUE.fullmatch(self.unsubscribe) is not None
            and "=?" not in self.unsubscribe
        )


class Pattern:
    """Pieces that stay, and between them names of headers or lines that hold the mark."""

    def __init__(self, pieces: Sequence[bytes | str], mark: str) -> None:
        self._pieces = pieces
        self._mark = mark

    def filled(self, fill: Fill) -> bytes:
        """The whole mail to one recipient."""
        headers = {
            "To": fill.recipient,
            "Date": format_datetime(fill.date),
            "Message-ID": fill.message_id,
            UNSUBSCRIBE: fill.unsubscribe,
        }
        return b"".join(
            piece if isinstance(piece, bytes)
            else f"{piece}: {headers[piece]}\r\n".encode("ascii") if piece in headers
            else _encoded(piece.replace(self._mark, fill.url))
            for piece in self._pieces
        )  # fmt: skip


def pattern_of(headers: Headers, marked: Content, mark: str, fill: Fill) -> Pattern | None:
    """From the headers of one of the mails and the content with a mark where the link is. None: compose each."""
    if not fill.simple:
        return None
    whole = build(headers, marked.replaced(mark, fill.url), None).as_bytes()
    head, _, body = whole.partition(b"\r\n\r\n")
    pieces: list[bytes | str] = []
    for line in _FIELDS.split(head):
        name = line.partition(b":")[0].decode("ascii")
        pieces.append(name if name in GAPS else line + b"\r\n")
    pieces.append(b"\r\n")
    for part in (marked.text, marked.html):
        lines = _lines(part, mark)
        found = b"".join(_encoded(p.replace(mark, fill.url)) if isinstance(p, str) else p for p in lines)
        before, there, body = body.partition(found)
        if not there:
            return None
        pieces += [before, *lines]
    pattern = Pattern(_joined([*pieces, body]), mark)
    return pattern if pattern.filled(fill) == whole else None


def _lines(text: str, mark: str) -> list[bytes | str]:
    """Each line encoded, or as it is where it holds the mark."""
    lines = [line.decode() for line in text.encode().splitlines()]
    return [line if mark in line else _encoded(line) for line in lines]


def _encoded(line: str) -> bytes:
    """A line in quoted-printable, as the standard library's content manager has it."""
    text = body_encode(line.encode().decode("latin-1") + "\n", POLICY.max_line_length or 78)
    return text.replace("\n", "\r\n").encode("ascii")


def _joined(pieces: Sequence[bytes | str]) -> list[bytes | str]:
    """With what stays in as few pieces as can be."""
    joined: list[bytes | str] = []
    for piece in pieces:
        if isinstance(piece, bytes) and joined and isinstance(joined[-1], bytes):
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined
