"""A mail server that does next to nothing, in a process of its own: what it can take is not what is measured.

    .venv/bin/python -m tests.bench.mailserver

Says its port, then for each line of its input (seconds) what came since the last one, as JSON, and from then on answers
each command so many seconds after it came, as over a network: commands that came together are answered together.
"""

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import uvloop

ROOT = Path(__file__).parents[2]
MESSAGE_ID = re.compile(rb"^Message-ID: (\S+)", re.MULTILINE)
ANSWERS = {
    b"EHLO": b"250-mail.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 bye\r\n",
}


@dataclass
class Taken:
    """What came, and how late it is answered."""

    seconds: float = 0
    mails: int = 0
    ids: set[bytes] = field(default_factory=set)


class Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self._buffer = b""
        self._in_mail = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass
        self._answer(b"220 mail.example\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        answers = b""
        while (answer := self._next()) is not None:
            answers += answer
        if answers:
            self._answer(answers)

    def _next(self) -> bytes | None:
        """The answer to what came first; None where more of it has to come."""
        end = b"\r\n.\r\n" if self._in_mail else b"\r\n"
        part, found, rest = self._buffer.partition(end)
        if not found:
            return None
        self._buffer = rest
        if self._in_mail:
            self._in_mail = False
            return self._take(part)
        verb = part[:4].upper()
        self._in_mail = verb == b"DATA"
        return ANSWERS.get(verb, b"250 ok\r\n")

    def _take(self, content: bytes) -> bytes:
        found = MESSAGE_ID.search(content)
        self._taken.mails += 1
        self._taken.ids.add(found[1] if found else b"")
        return b"250 taken\r\n"

    def _answer(self, answer: bytes) -> None:
        if self._taken.seconds:
            asyncio.get_running_loop().call_later(self._taken.seconds, self._write, answer)
        else:
            self._write(answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)
            if answer == ANSWERS[b"QUIT"]:
                self._transport.close()


class MailServer:
    """The process, as seen from here."""

    def __init__(self, process: Process, port: int) -> None:
        self._process = process
        self.port = port

    async def count(self, seconds: float) -> tuple[int, int]:
        """Mails and different ones since the last time; from now on it answers after so many seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{seconds}\n".encode())
        mails, different = json.loads(await self._process.stdout.readline())
        return mails, different


@asynccontextmanager
async def mail_server() -> AsyncIterator[MailServer]:
    """Run one."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.mailserver", cwd=ROOT, stdin=PIPE, stdout=PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield MailServer(process, int(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


async def _serve() -> None:
    taken, loop = Taken(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Session(taken), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        print(json.dumps([taken.mails, len(taken.ids)]), flush=True)
        taken.seconds, taken.mails, taken.ids = float(line), 0, set()


if __name__ == "__main__":
    uvloop.run(_serve())
