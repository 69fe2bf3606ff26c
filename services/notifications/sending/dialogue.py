"""SMTP's commands and answers on a connection that stands: several commands may go out in one write (RFC 2920).

aiosmtplib connects, encrypts and logs in; it takes one answer at a time, so what follows is spoken here.
"""

import asyncio
import re
from collections import deque
from dataclasses import dataclass
from typing import override

MOST_BYTES = 1 << 15
"""Of one answer, however many lines it has: a server that says more makes no sense."""
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
ODD_ENDS = re.compile(rb"\r\n|\n|\r(?!\n)")


class Broken(Exception):
    """The connection does not stand any more: nothing further can be asked or answered."""


@dataclass(frozen=True)
class Reply:
    """What the server answered to one command. Code -1: nothing that is an answer."""

    code: int
    text: str


class Dialogue(asyncio.Protocol):
    """Takes over a transport between two commands. Answers that nobody asked for break it: which is whose is open."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._buffer = b""
        self._lines: list[bytes] = []
        self._replies: deque[Reply] = deque()
        self._owed = 0
        self._waiter: asyncio.Future[None] | None = None
        self._broken = ""
        transport.set_protocol(self)

    @property
    def stands(self) -> bool:
        """Whether it can be asked something."""
        return not self._broken and not self._transport.is_closing()

    def check(self) -> None:
        """Broken where it does not stand."""
        if not self.stands:
            raise Broken(self._broken or "closed")

    def ask(self, *commands: str) -> None:
        """Send commands in one write; each is owed a reply."""
        if any(CONTROL.search(command) for command in commands):
            raise ValueError("a command with a control character")
        self._send("".join(f"{command}\r\n" for command in commands).encode("ascii"), len(commands))

    def content(self, mail: bytes) -> None:
        """Send a mail after DATA was answered with 354."""
        self._send(_stuffed(mail) + b".\r\n", 1)

    def no_content(self) -> None:
        """Send nothing after DATA was answered with 354. Where a recipient was taken that would be an empty mail."""
        self._send(b".\r\n", 1)

    async def reply(self, seconds: float) -> Reply:
        """The answer to the first command that was not answered yet. Broken where it does not come."""
        try:
            async with asyncio.timeout(seconds):
                while not self._replies:
                    self.check()
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
        except TimeoutError:
            self.close()
            raise Broken(f"no answer in {seconds:g} seconds") from None
        return self._replies.popleft()

    def close(self) -> None:
        """At once, without a goodbye."""
        self._transport.close()

    @override
    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._lines.append(line.rstrip(b"\r"))
            if line[3:4] != b"-":
                self._answered(self._lines)
                self._lines = []
        if len(self._buffer) + sum(map(len, self._lines)) > MOST_BYTES:
            self._answered([b"Answer too long"])
            self._break("the answer was too long")
        self._wake()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._break(f"connection lost{f': {exc}' if exc else ''}")

    def _send(self, data: bytes, owed: int) -> None:
        self.check()
        self._owed += owed
        self._transport.write(data)

    def _answered(self, lines: list[bytes]) -> None:
        if self._owed:
            self._owed -= 1
            self._replies.append(_parsed(lines))
        else:
            self._break("an answer to nothing")

    def _break(self, reason: str) -> None:
        self._broken = self._broken or reason
        self._transport.close()
        self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)


def _parsed(lines: list[bytes]) -> Reply:
    code = lines[-1][:3]
    text = b"\n".join(line[4:].strip() if code.isdigit() else line for line in lines)
    return Reply(int(code) if code.isdigit() else -1, text.decode("utf-8", "surrogateescape"))


def _stuffed(mail: bytes) -> bytes:
    """With a second dot where a line begins with one, and no end of line but CRLF (RFC 5321 §4.5.2, §2.3.8)."""
    if not mail.count(b"\r\n") == mail.count(b"\n") == mail.count(b"\r"):
        mail = ODD_ENDS.sub(b"\r\n", mail)
    stuffed = mail.replace(b"\r\n.", b"\r\n..")
    return (b"." if mail.startswith(b".") else b"") + stuffed + (b"" if mail.endswith(b"\r\n") else b"\r\n")
