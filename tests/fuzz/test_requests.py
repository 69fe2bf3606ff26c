"""Hundreds of malformed and hostile HTTP requests: each is answered, none with a fault of ours."""

import asyncio
from collections import Counter
from urllib.parse import urlsplit

import httpx
import pytest

from shared.contracts.events import AnnounceEvent
from shared.contracts.examples import example
from shared.messaging.client import Client
from tests.fuzz.requests import hostile
from tests.fuzz.values import INJECTED, PRODUCT
from tests.support.embedded import Embedded

AT_ONCE = 20
PATIENCE = 30.0
UNFINISHED_SECONDS = 1.0
"""After which a client that got no answer says that no more will come."""
CLOSED = 0
"""No answer: the connection was closed, as for what is no HTTP."""


@pytest.mark.parametrize(
    "count", [500, pytest.param(10_000, marks=[pytest.mark.faults, pytest.mark.timeout(900)])], ids=str
)
async def test_hostile_requests_bring_no_fault_about(system: Embedded, count: int):
    async with Client(system.url("integrator")) as client:
        meeting = await client.send(example(AnnounceEvent))
    assert meeting.result is not None
    pages = {
        "events": ["/", f"/arrangementer/{meeting.result['event_id']}", "/arrangementer/none", "/afbud/none.none"],
        "notifications": ["/", "/nyhedsbrev", "/bekraeft/none.none", "/afmeld/none.none"],
        "supplier": ["/", "/livez", "/none"],
        "procurement": ["/", "/readyz", "/metrics"],
    }
    found: Counter[int] = Counter()
    at_once = asyncio.Semaphore(AT_ONCE)

    async def ask(service: str, raw: bytes) -> None:
        async with at_once:
            status, answer = await send(system.http[service], raw)
        assert status < 500, (service, status, raw[:500])
        assert PRODUCT.encode() not in answer, (service, raw[:500])
        assert INJECTED.encode().lower() not in answer.partition(b"\r\n\r\n")[0].lower(), (service, raw[:500])
        found[status] += 1

    async with asyncio.TaskGroup() as group:
        for service, paths in pages.items():
            for raw in hostile(count, count // len(pages), paths):
                group.create_task(ask(service, raw))
    assert found[200] > 0
    async with httpx.AsyncClient() as http:
        assert {(await http.get(f"{url}/readyz")).status_code for url in system.http.values()} == {200}
    print(f"{found.total()} requests, by status ({CLOSED}: closed unanswered): {dict(sorted(found.items()))}")


async def send(url: str, raw: bytes) -> tuple[int, bytes]:
    """Status and answer."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        async with asyncio.timeout(PATIENCE):
            writer.write(raw)
            answer = await _read(reader, writer)
    except (ConnectionError, BrokenPipeError):
        answer = b""
    finally:
        writer.close()
    return (int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else CLOSED), answer


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    try:
        async with asyncio.timeout(UNFINISHED_SECONDS):
            first = await reader.read(1)
    except TimeoutError:
        writer.write_eof()
        first = b""
    return first + await reader.read()
