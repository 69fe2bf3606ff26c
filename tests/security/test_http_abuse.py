"""What a hostile client can do to the HTTP side of a service as it runs: nothing that others notice."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

PROGRAM = """
import contextlib
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from pydantic_settings import SettingsConfigDict
from shared.observability import logs
from shared.observability.metrics import Metrics
from shared.settings import ServiceSettings, load
from shared.web import patience, server
from shared.web.application import application

patience.REQUEST_SECONDS = 0.5
server.MOST_CONNECTIONS = 60

class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TRYOUT_")

@contextlib.asynccontextmanager
async def lifespan(app):
    yield

async def form(request):
    async with request.form(max_files=0, max_fields=20) as fields:
        return PlainTextResponse(str(len(fields)))

def create():
    settings = load(Settings)
    logs.configure(settings)
    return application(settings, Metrics("tryout"), list, [Route("/form", form, methods=["GET", "POST"])], lifespan)

server.serve(create)
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server that gives a request half a second and takes 60 connections."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"TRYOUT_HTTP_PORT": str(port), "TRYOUT_HTTP_BURST": "500", "TRYOUT_HTTP_BODY_BYTES": "10000"}
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert any("Uvicorn running" in line for line in process.stderr)
    yield f"127.0.0.1:{port}"
    process.terminate()
    said = process.communicate(timeout=20)[1]
    assert "Traceback" not in said
    assert "page_failed" not in said


def connect(address: str) -> socket.socket:
    host, _, port = address.partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def answer(address: str, request: bytes) -> bytes:
    """All that the server says before it hangs up; nothing where it says nothing."""
    with connect(address) as connection:
        connection.sendall(request)
        found = b""
        while piece := connection.recv(65536):
            found += piece
        return found


def served(address: str) -> bool:
    return httpx.get(f"http://{address}/livez", timeout=10).status_code == 200


HALF = {
    "nothing": b"",
    "half a line": b"GET /livez",
    "half a head": b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: b\r\n",
    "half a body": b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 100\r\n\r\na=b",
}


@pytest.mark.parametrize("half", HALF.values(), ids=HALF)
def test_who_does_not_end_a_request_is_let_go(address: str, half: bytes):
    began = time.monotonic()
    assert answer(address, half) == b""
    assert time.monotonic() - began < 8


def test_who_sends_a_byte_now_and_then_is_let_go_too(address: str):
    with connect(address) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            drip(connection)


def drip(connection: socket.socket) -> None:
    for number in range(200):
        connection.sendall(b"X-%d: a\r\n" % number)
        time.sleep(0.05)


def test_a_hundred_slow_clients_keep_others_out_for_seconds_and_not_for_ever(address: str):
    with ExitStack() as slow:
        for connection in [slow.enter_context(connect(address)) for _ in range(100)]:
            connection.sendall(HALF["half a head"])
        until = time.monotonic() + 10
        while not (ok := served(address)) and time.monotonic() < until:
            time.sleep(0.1)
        assert ok


def test_a_connection_that_is_used_again_stays(address: str):
    with httpx.Client(base_url=f"http://{address}") as client:
        for _ in range(3):
            assert client.get("/livez").status_code == 200
            assert client.post("/form", data={"a": "b"}).text == "1"
            time.sleep(0.25)


@pytest.mark.parametrize(
    "head",
    [
        b"X: " + b"a" * 40_000 + b"\r\n",
        b"".join(b"X-%d: a\r\n" % n for n in range(5_000)),
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"X-Forwarded-For: 1.2.3.4\nInjected: yes\r\n",
        b": no name\r\n",
        b"X\x00Y: a\r\n",
    ],
    ids=[
        "a long header",
        "many headers",
        "two lengths",
        "length and chunks",
        "odd coding",
        "a bare LF",
        "no name",
        "NUL",
    ],
)
def test_a_head_that_is_out_of_order_is_refused_and_harms_nobody(address: str, head: bytes):
    said = answer(address, b"POST /form HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + head + b"\r\n0\r\n\r\n")
    status = re.match(rb"HTTP/1.1 (\d+)", said)
    assert status is None or status[1][:1] in (b"4", b"2"), said[:200]
    assert b"Injected" not in said
    assert served(address)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"a=" + b"x" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"&".join(b"f%d=x" % n for n in range(1_000)), "application/x-www-form-urlencoded", 400),
        (
            b'--b\r\nContent-Disposition: form-data; name="a"; filename="x"\r\n\r\nx\r\n--b--',
            "multipart/form-data; boundary=b",
            400,
        ),
        (b"--b\r\n" * 500, "multipart/form-data; boundary=b", 400),
        (b"\xff\xfe=%ZZ&%00=%C3%28", "application/x-www-form-urlencoded", 200),
        (b"x", "multipart/form-data", 400),
    ],
    ids=["too large", "too many fields", "a file", "broken multipart", "no UTF-8", "no boundary"],
)
def test_a_form_that_is_too_much_is_refused(address: str, content: bytes, kind: str, status: int):
    found = httpx.post(f"http://{address}/form", content=content, headers={"Content-Type": kind})
    assert found.status_code == status
    assert served(address)
