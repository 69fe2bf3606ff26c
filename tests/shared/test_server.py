import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

PROGRAM = """
import asyncio, contextlib, time
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from pydantic_settings import SettingsConfigDict
from shared.observability import logs
from shared.observability.metrics import Metrics
from shared.settings import ServiceSettings, load
from shared.web.application import application
from shared.web.server import serve

class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TRYOUT_")

@contextlib.asynccontextmanager
async def lifespan(app):
    START
    yield
    print("stopping", flush=True)
    STOP
    print("stopped", flush=True)

async def loop(request):
    return PlainTextResponse(type(asyncio.get_running_loop()).__module__)

def create():
    settings = load(Settings)
    logs.configure(settings)
    return application(settings, Metrics("tryout"), list, [Route("/loop", loop)], lifespan)

serve(create)
"""


@contextmanager
def running(start: str = "", stop: str = "", **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = PROGRAM.replace("START", start or "pass").replace("STOP", stop or "pass")
    environment = {"TRYOUT_HTTP_PORT": str(port), **{f"TRYOUT_{k.upper()}": v for k, v in settings.items()}}
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


def until_listening(process: subprocess.Popen[str]) -> list[str]:
    """Reads the log until the server says that it listens."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "Uvicorn running" in line:
            return lines
    raise AssertionError(lines)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_runs_the_lifespan_to_its_end_and_exits_with_0(how):
    with running() as (process, address):
        until_listening(process)
        answer = httpx.get(f"{address}/loop")
        assert answer.text.startswith("uvloop")
        assert "server" not in answer.headers
        process.send_signal(how)
        out, log = process.communicate(timeout=20)
        assert (process.returncode, out) == (0, "stopping\nstopped\n")
        assert all(json.loads(line)["service"] == "tryout" for line in log.splitlines())


def test_a_signal_during_the_start_is_not_lost():
    with running(start="print('starting', flush=True); await asyncio.sleep(0.5)") as (process, _):
        assert process.stdout is not None
        assert process.stdout.readline() == "starting\n"
        process.send_signal(signal.SIGTERM)
        out, _log = process.communicate(timeout=20)
        assert (process.returncode, out) == (0, "stopping\nstopped\n")


def test_a_stop_that_hangs_ends_after_its_grace():
    with running(stop="time.sleep(600)", shutdown_seconds="0.2") as (process, _):
        until_listening(process)
        process.send_signal(signal.SIGTERM)
        _out, log = process.communicate(timeout=20)
        assert process.returncode == 1
        assert "stop_overdue" in log


def test_a_start_that_fails_exits_with_3():
    with running(start="raise RuntimeError('for anna@kunde.example')") as (process, _):
        _out, log = process.communicate(timeout=20)
        assert process.returncode == 3
        assert "RuntimeError" in log
        assert "anna@" not in log


def test_an_invalid_setting_exits_with_2_and_one_line():
    with running(prefetch="many") as (process, _):
        _out, log = process.communicate(timeout=20)
        assert process.returncode == 2
        assert log.startswith("invalid setting: TRYOUT_PREFETCH: ")
        assert log.count("\n") == 1


def test_a_taken_port_exits_with_3():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with running(http_port=str(taken.getsockname()[1])) as (process, _):
            assert process.wait(timeout=20) == 3
