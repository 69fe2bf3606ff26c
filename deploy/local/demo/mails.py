"""The mails that came: read from a Maildir (embedded system) or through Mailpit's API (containers)."""

import email
import email.policy
import re
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

import httpx


@dataclass(frozen=True)
class Mail:
    """A mail as its recipient got it."""

    to: str
    message: EmailMessage

    @property
    def subject(self) -> str:
        """The subject line."""
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        """The plain text part."""
        return self._part("plain")

    @property
    def html(self) -> str:
        """The HTML part."""
        return self._part("html")

    def _part(self, subtype: str) -> str:
        part = self.message.get_body((subtype,))
        return str(part.get_content()) if part is not None else ""

    @property
    def calendar(self) -> str:
        """The method of its calendar part and the status of the entry, such as `REQUEST CONFIRMED`; nothing without."""
        for part in self.message.walk():
            if part.get_content_type() == "text/calendar":
                text = str(part.get_content())
                status = re.search(r"^STATUS:(\w+)", text, re.MULTILINE)
                return f"{part.get_param('method')} {status[1] if status else ''}".strip()
        return ""

    @property
    def is_campaign(self) -> bool:
        """Whether it went to a topic's subscribers."""
        return "List-Id" in self.message

    def link(self, path: str) -> str:
        """The first link in the text whose path starts like this."""
        found = re.search(rf"https?://[^\s<>]+{re.escape(path)}[^\s<>)\]]*", self.text)
        return found[0] if found else ""

    @property
    def one_click(self) -> str:
        """The https or http address of List-Unsubscribe (RFC 8058)."""
        found = re.search(r"<(https?://[^>]+)>", str(self.message.get("List-Unsubscribe", "")))
        return found[1] if found else ""


class Mailbox(Protocol):
    """Where mails arrive."""

    async def mails(self) -> list[Mail]:
        """All so far, oldest first."""


class Maildir:
    """The embedded system's mail sink."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, Mail] = {}

    async def mails(self) -> list[Mail]:
        """All so far, oldest first."""
        for path in sorted((self._folder / "new").glob("*"), key=lambda p: p.stat().st_mtime_ns):
            if path.name not in self._read:
                self._read[path.name] = _parse(path.read_bytes())
        return list(self._read.values())


class Mailpit:
    """Mailpit, or what speaks its API."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=10)
        self._read: dict[str, Mail] = {}

    async def mails(self) -> list[Mail]:
        """All so far, oldest first."""
        listed = (await self._client.get("/api/v1/messages", params={"limit": 1000})).json()["messages"]
        for entry in reversed(listed):
            if entry["ID"] not in self._read:
                raw = await self._client.get(f"/api/v1/message/{entry['ID']}/raw")
                self._read[entry["ID"]] = _parse(raw.content, entry["To"][0]["Address"])
        return list(self._read.values())


def _parse(raw: bytes, to: str | None = None) -> Mail:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    address = to or str(message.get("X-Envelope-To") or message["To"].addresses[0].addr_spec)
    return Mail(address.strip("<> ").casefold(), message)
