"""Whether a process is ready. A probe is a text: `http:<port>` (GET /readyz), `smtp:<port>`, or an amqp:// URL.

`queues:<folder>` asks whether the RabbitMQ node with its data there has written down which queues it has. A probe of
several lines is all of them.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

SECONDS = 3.0
SAVED = slice(8, 12)
type Reasons = list[str]
"""Why it is not ready; empty when it is."""


async def probe(what: str) -> Reasons:
    """Ask once, up to the first line that is not ready. An empty text: ready as soon as it runs."""
    for line in what.splitlines():
        if reasons := await _probe(line):
            return reasons
    return []


def queues_saved(data: Path) -> bool:
    """Whether the node with its data there has written down the queues that it knows."""
    return all(saved(path.read_bytes()) for path in data.rglob("names.dets"))


def saved(names: bytes) -> bool:
    """The same of one names.dets, or the head of it: dets(3) says so in bytes 8 to 11.

    It is half a second after the last queue was declared. Killed before that (seen with 3.10 and 4.0) a node forgets
    its queues, and 3.10 then never serves a stream again.
    """
    return names[SAVED] == b"\0\0\0\1"


async def _probe(what: str) -> Reasons:
    scheme, _, where = what.partition(":")
    try:
        async with asyncio.timeout(SECONDS):
            return await PROBES[scheme](what if scheme == "amqp" else where)
    except TimeoutError:
        return [f"no answer within {SECONDS:.0f} s"]
    except OSError:
        return ["does not listen yet"]
    except (asyncio.IncompleteReadError, ValueError):
        return ["answers in an unknown way"]


@contextlib.asynccontextmanager
async def _connection(host: str, port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _http(port: str) -> Reasons:
    async with _connection("127.0.0.1", int(port)) as (reader, writer):
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if status == [b"200"]:
        return []
    answer = json.loads(body) if body.startswith(b"{") else {}
    return [str(reason) for reason in answer.get("reasons") or [f"answers {b''.join(status).decode()}"]]


async def _smtp(port: str) -> Reasons:
    async with _connection("127.0.0.1", int(port)) as (reader, writer):
        greeting = await reader.readline()
        writer.write(b"QUIT\r\n")
        await reader.read()
    return [] if greeting.startswith(b"220") else ["answers in an unknown way"]


async def _amqp(url: str) -> Reasons:
    """Log in as far as Connection.Tune: the node listens and has its users (AMQP 0-9-1, section 2.2.4)."""
    parts = urlsplit(url)
    login = b"\0" + unquote(parts.username or "").encode() + b"\0" + unquote(parts.password or "").encode()
    start_ok = b"\0\x0a\0\x0b" + bytes(4) + b"\x05PLAIN" + len(login).to_bytes(4) + login + b"\x05en_US"
    async with _connection(parts.hostname or "127.0.0.1", parts.port or 5672) as (reader, writer):
        writer.write(b"AMQP\0\0\x09\x01")
        await _frame(reader)
        writer.write(b"\x01\0\0" + len(start_ok).to_bytes(4) + start_ok + b"\xce")
        answer = await _frame(reader)
    return [] if answer[:4] == b"\0\x0a\0\x1e" else ["does not know its users"]


async def _frame(reader: asyncio.StreamReader) -> bytes:
    header = await reader.readexactly(7)
    return (await reader.readexactly(int.from_bytes(header[3:]) + 1))[:-1]


async def _queues(data: str) -> Reasons:
    return [] if queues_saved(Path(data)) else ["writes down its queues"]


PROBES: dict[str, Callable[[str], Awaitable[Reasons]]] = {
    "http": _http,
    "smtp": _smtp,
    "amqp": _amqp,
    "queues": _queues,
}
