"""A mail server that keeps every mail: `python -m deploy.local.mailsink <port> <Maildir>`, on 127.0.0.1 only.

Each mail is one file of the Maildir, with the envelope as X-Envelope-From and X-Envelope-To in front, since a Maildir
has no place for it and Bcc and return addresses are seen nowhere else. The answer 250 comes when the file is there.
"""

import asyncio
import itertools
import os
import signal
import socket
import sys
import time
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

LARGEST_BYTES = 30_000_000


class Maildir:
    """Writes files as maildir(5) says: complete in tmp/, then moved to new/."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = itertools.count()
        self._host = socket.gethostname().replace("/", "").replace(":", "")
        for part in ("tmp", "new", "cur"):
            (path / part).mkdir(mode=0o700, parents=True, exist_ok=True)

    def deliver(self, mail: bytes) -> str:
        """Keep the mail; returns its file's name, which sorts by time of arrival."""
        now = time.time_ns()
        name = f"{now // 10**9}.M{now % 10**9:09d}P{os.getpid()}Q{next(self._count)}.{self._host}"
        (self._path / "tmp" / name).write_bytes(mail)
        (self._path / "tmp" / name).rename(self._path / "new" / name)
        return name


class Sink:
    """What aiosmtpd calls for each mail."""

    def __init__(self, maildir: Maildir) -> None:
        self._maildir = maildir

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802
        """One mail has come in."""
        content = envelope.original_content or b""
        # A file of a few kB into the page cache: quicker than handing it to a thread.
        self._maildir.deliver(_head(envelope) + content.replace(b"\r\n", b"\n"))
        return "250 OK kept"


def _head(envelope: Envelope) -> bytes:
    lines = [f"X-Envelope-From: {envelope.mail_from or ''}", *(f"X-Envelope-To: {to}" for to in envelope.rcpt_tos)]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


async def serve(port: int, maildir: Path) -> None:
    """Until SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    sink = Sink(Maildir(maildir))

    def session() -> SMTP:
        return SMTP(sink, data_size_limit=LARGEST_BYTES, enable_SMTPUTF8=True, hostname="localhost", loop=loop)

    server = await loop.create_server(session, "127.0.0.1", port)
    async with server:
        await stop.wait()


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")  # aiosmtpd's own deprecations are no news to who reads the log
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
