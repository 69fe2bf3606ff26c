"""`send` and `watch` against a real broker and a real service."""

import asyncio
import io
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from shared.cli import main
from shared.contracts.base import Envelope
from shared.messaging.publisher import Outgoing, Publisher
from shared.service import Service
from tests.messaging import probe
from tests.support.running import running


@pytest.fixture
def start(broker: Any, tmp_path: Path) -> Callable[[], AbstractAsyncContextManager[Service]]:
    """Starts the probe service."""
    return partial(running, probe, [probe.COUNTERS, probe.SEEN], tmp_path, broker.url("operator"))


@pytest.fixture
def integrator(broker: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address that the commands use."""
    url = str(broker.url("integrator"))
    monkeypatch.setenv("RUMMELIG_AMQP_URL", url)
    return url


@pytest.fixture
def send(integrator: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `send` with this on stdin; its exit code, and what it printed, read as JSON where it is."""

    async def run(document: Any, *arguments: str, to: Sequence[str] = ("probe", "add")) -> tuple[int, Any, str]:
        capsys.readouterr()  # what the service has logged
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(document)))
        code = await asyncio.to_thread(main, ["send", *to, "-", *arguments])
        out, error = capsys.readouterr()
        return code, json.loads(out) if out else None, error

    return run


async def test_a_command_is_sent_and_its_reply_printed(start, send):
    async with start():
        code, reply, _ = await send({"counter": "cli", "amount": 2})
        assert (code, reply) == (0, {"ok": True, "result": {"total": 2}})


async def test_a_problem_is_printed_and_gives_exit_code_1(start, send):
    async with start():
        code, reply, _ = await send({"counter": "cli", "amount": 13})
        assert (code, reply["ok"], reply["problem"]["status"]) == (1, False, 409)
        code, reply, _ = await send({"colour": "red"})
        assert (code, reply["problem"]["status"]) == (1, 422)


async def test_the_same_id_has_one_effect(start, send):
    async with start():
        replies = [(await send({"counter": "again"}, "--id", "cli-again"))[1] for _ in range(3)]
        assert [reply["result"] for reply in replies] == [{"total": 1}] * 3


async def test_a_whole_cloudevent_is_sent_as_it_is(start, send):
    event = Envelope(id="cli-whole", source="/webshop", type="dk.rummelig.probe.add.v1", data={"counter": "whole"})
    async with start():
        for _ in range(2):
            code, reply, _ = await send(json.loads(event.to_json()))
            assert (code, reply["result"]) == (0, {"total": 1})


async def test_no_reply_in_time_is_told_with_the_id_to_ask_again_with(start, send):
    async with start():
        pass  # has declared its queue and is gone
    code, _, error = await send({"counter": "late"}, "--timeout", "0.3", "--id", "cli-late")
    assert code == 2
    assert "no reply within 0.3 s" in error
    assert error.rstrip().endswith("--id cli-late")
    async with start():
        code, reply, _ = await send({"counter": "late"}, "--id", "cli-late")
        assert (code, reply["result"]) == (0, {"total": 1})


async def test_a_service_that_never_ran_is_told(send):
    code, _, error = await send({}, to=("weather", "forecast"))
    assert code == 2
    assert "weather" in error
    assert error.count("\n") == 1


async def test_a_wrong_password_is_told(integrator, send, monkeypatch):
    monkeypatch.setenv("RUMMELIG_AMQP_URL", str(URL(integrator).with_password("wrong")))
    code, _, error = await send({"counter": "cli"})
    assert code == 2
    assert "'integrator'" in error
    assert error.count("\n") == 1


@asynccontextmanager
async def watching(url: str, *arguments: str) -> AsyncIterator[Process]:
    """`watch` in a process of its own, once it listens."""
    command = [sys.executable, "-m", "shared.cli", "watch", *arguments]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=PIPE,
        stderr=PIPE,
        env={"RUMMELIG_AMQP_URL": url},
        cwd=Path(__file__).parents[2],
        # As in a terminal: what runs in the background of a shell ignores Ctrl-C, and so would its children.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    try:
        while not (said := await process.stderr.readline()).startswith(b"watching"):
            assert b"not watched" in said
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def tell(broker: Any, *keys: str) -> list[Envelope]:
    """Publish supplier events of these routing keys, in order. No service hears of such."""
    publisher, told = Publisher(broker.url("operator"), "test-watch"), []
    for number, key in enumerate(keys):
        event = Envelope(
            id=f"{key}-{number}",
            source="/supplier",
            type=f"dk.rummelig.supplier.{key}",
            subject="s1",
            data={"name": "Æble & Søn\n"},
            aggregateversion=number,
        )
        await publisher.publish(Outgoing("supplier.events", key, event.to_json(), event.id))
        told.append(event)
    await publisher.close()
    return told


async def test_watch_prints_a_line_for_each_event_and_stops_at_the_count(broker: Any):
    async with watching(broker.url("integrator"), "--count", "2") as process:
        await tell(broker, "tried-one.v1", "tried-two.v1")
        out, _ = await process.communicate()
    first, second = out.decode().splitlines()
    assert "supplier  tried-one.v1  s1 v0" in first
    assert "Æble & Søn\\n" in second
    assert process.returncode == 0


async def test_watch_as_json_gives_the_events_as_they_came(broker: Any):
    async with watching(broker.url("integrator"), "--json", "--count", "1") as process:
        (event,) = await tell(broker, "tried-one.v1")
        out, _ = await process.communicate()
    assert Envelope.model_validate_json(out) == event


@pytest.mark.parametrize("pattern", ["tried-two", "tried-two.v1", "*-two", "*-two.v1"])
async def test_watch_prints_only_what_is_asked_for(broker: Any, pattern: str):
    async with (
        watching(broker.url("integrator")) as everything,
        watching(broker.url("integrator"), pattern, "--count", "1") as process,
    ):
        await tell(broker, "tried-one.v1", "tried-two.v1")
        out, _ = await process.communicate()
        assert everything.returncode is None
    assert b"tried-two.v1" in out
    assert b"tried-one.v1" not in out


async def test_watch_ends_well_on_ctrl_c(broker: Any):
    async with watching(broker.url("integrator")) as process:
        await tell(broker, "tried-one.v1")
        assert process.stdout is not None
        await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, error = await process.communicate()
    assert (process.returncode, out, error) == (0, b"", b"")


async def test_watch_tells_that_the_connection_broke(broker: Any):
    async with forwarded(broker.url("integrator")) as (url, cut), watching(url) as process:
        cut()
        _, error = await process.communicate()
    assert process.returncode == 2
    assert error.count(b"\n") == 1
    assert b"broke" in error


@asynccontextmanager
async def forwarded(url: str) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """The broker behind a forwarder whose connections can be cut."""
    target, writers = URL(url), set[asyncio.StreamWriter]()

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection(target.host, target.port)
        writers.update({writer, other_writer})
        await asyncio.gather(pipe(reader, other_writer), pipe(other_reader, writer), return_exceptions=True)

    def cut() -> None:
        for writer in writers:
            writer.transport.abort()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield str(target.with_port(port)), cut
