"""A real SMTP server on loopback whose answers a test sets."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

DROP = "drop"
"""As an answer to DATA: the mail is kept, and the connection breaks before the answer."""

type Answer = Callable[[str], str | None]
"""From the recipient's address to what the server says; None: yes."""


@dataclass
class Received:
    """A mail as it came: envelope and content."""

    sender: str
    recipient: str
    content: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def mail(self) -> EmailMessage:
        mail = message_from_bytes(self.content, policy=default)
        assert isinstance(mail, EmailMessage)
        return mail

    def part(self, subtype: str) -> str:
        """The text of the part `text/<subtype>`."""
        (found,) = [p for p in self.mail.walk() if p.get_content_type() == f"text/{subtype}"]
        return str(found.get_content()).replace("\r\n", "\n")


@dataclass
class Sink:
    """Keeps what it takes. `rcpt` and `data` may answer otherwise; `seconds` it thinks before it takes a mail."""

    received: list[Received] = field(default_factory=list)
    rcpt: Answer = lambda _: None
    data: Answer = lambda _: None
    seconds: float = 0
    connections: int = 0
    most_at_once: int = 0
    port: int = 0
    _now: int = 0
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Protocol(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            if hasattr(self._server, "close_clients"):  # uvloop's has no such thing, and needs none
                self._server.close_clients()
            await self._server.wait_closed()
            self._server = None

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802, ARG002
        if refusal := self.rcpt(address):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002
        (recipient,) = envelope.rcpt_tos  # one envelope recipient each
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self._now -= 1
        answer = self.data(recipient)
        if answer is None or answer == DROP:
            assert isinstance(envelope.content, bytes)
            self.received.append(Received(str(envelope.mail_from), recipient, envelope.content))
        self._arrived.set()
        if answer == DROP:
            assert server.transport is not None
            server.transport.abort()  # type: ignore[attr-defined]  # it is a socket's
        return answer or "250 2.0.0 taken"

    async def mails(self, count: int, seconds: float = 20) -> list[Received]:
        """The mails, once so many are there."""
        async with asyncio.timeout(seconds):
            while len(self.received) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.received

    def to(self, email: str) -> list[Received]:
        return [r for r in self.received if r.recipient == email]


class _Protocol(SMTP):
    def __init__(self, sink: Sink) -> None:
        super().__init__(
            sink, hostname="sink.example", ident="sink", enable_SMTPUTF8=False, loop=asyncio.get_running_loop()
        )
        self._sink = sink

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._sink.connections += 1
        super().connection_made(transport)


@asynccontextmanager
async def running_sink() -> AsyncIterator[Sink]:
    sink = Sink()
    await sink.start()
    try:
        yield sink
    finally:
        await sink.stop()
