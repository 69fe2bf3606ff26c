"""The probe service as processes of their own, which end or stand still at a chosen place.

They are forked from a process that has everything imported, so that a hundred of them do not take minutes.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from signal import Signals
from typing import Any, Literal

import httpx
from aio_pika.abc import AbstractIncomingMessage

from shared import service as service_module
from shared.messaging.consumer import Consumer
from shared.service import Service
from shared.settings import ServiceSettings
from shared.store.connect import connect
from shared.store.port import Store
from shared.web.server import serve
from tests.messaging import probe
from tests.messaging.conftest import REPOSITORIES
from tests.support.running import running, until

PLACES = {
    "before the write": ("insert", "save"),
    "after the write": ("insert", "save"),
    "after the ack": (),
    "between publish and mark": ("trim",),
}
"""Place -> the writes of the store that it is at."""

type Place = Literal["before the write", "after the write", "after the ack", "between publish and mark"]

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Fate:
    """Where, handling which command, a process gets which signal from itself."""

    place: Place
    command: str
    by: Signals = signal.SIGKILL

    def strikes(self, write: str, arguments: Any) -> bool:
        """Whether this write of the store is the place."""
        return write in PLACES[self.place] and f"'probe.commands:{self.command}'" in repr(arguments)

    def strike(self) -> None:
        """From SIGKILL nobody returns, from SIGSTOP when somebody says so."""
        os.kill(os.getpid(), self.by)


class Fated:
    """A store that meets the fate of its process. What follows from a write comes after the fate: on a store that
    cannot do both at once there is a moment between them.
    """

    def __init__(self, store: Store, fate: Fate) -> None:
        self._store = store
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        return partial(self._call, name, method) if name in PLACES[self._fate.place] else method

    async def _call(self, name: str, method: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        strikes = self._fate.strikes(name, (args, kwargs))
        if strikes and self._fate.place != "after the write":
            self._fate.strike()
        follow = kwargs.pop("follow", ())
        result = await method(*args, **kwargs)
        if strikes and self._fate.place == "after the write":
            self._fate.strike()
        for each in follow:
            await self._store.put(each.collection, each.puts)
        return result


@dataclass(frozen=True)
class Node:
    """A process that runs the service."""

    process: Any

    async def died(self) -> None:
        """Wait until it was killed."""
        assert await self.ended() == -signal.SIGKILL

    async def stands_still(self) -> None:
        """Wait until it is stopped (SIGSTOP)."""

        async def state() -> str:
            with open(f"/proc/{self.process.pid}/stat") as stat:  # noqa: ASYNC230, PTH123 - no disk
                return stat.read().rpartition(")")[2].split()[0]

        await until(state, "T".__eq__)

    def tell(self, number: Signals) -> None:
        """Send it a signal."""
        os.kill(self.process.pid, number)

    async def ended(self) -> int:
        """Wait for its end; the exit code."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self.process.sentinel, ended.set)
        try:
            async with asyncio.timeout(30):
                await ended.wait()
        finally:
            loop.remove_reader(self.process.sentinel)
        self.process.join()
        return int(self.process.exitcode)


@asynccontextmanager
async def server(amqp_url: str, store_url: str, *, shutdown_seconds: float) -> AsyncIterator[Node]:
    """Start the service as its container does, ready; it stops gracefully at SIGTERM."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"amqp_url": amqp_url, "store_url": store_url, "shutdown_seconds": shutdown_seconds, "http_port": port}
    process = _FORKS.Process(target=_serve, args=(settings,), daemon=True)
    await asyncio.to_thread(process.start)

    async def status(client: httpx.AsyncClient) -> int:
        with contextlib.suppress(httpx.TransportError):
            return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code
        return 0

    try:
        async with httpx.AsyncClient() as client:
            await until(lambda: status(client), (200).__eq__)
        yield Node(process)
    finally:
        await _killed(process)


@asynccontextmanager
async def node(amqp_url: str, store_url: str, fate: Fate | None = None, *, silent: bool = False) -> AsyncIterator[Node]:
    """Start the service as a process, ready; kill it at the end. A silent one writes no log."""
    ours, theirs = _FORKS.Pipe(duplex=False)
    process = _FORKS.Process(target=_main, args=(amqp_url, store_url, fate, theirs, silent), daemon=True)
    await asyncio.to_thread(process.start)
    theirs.close()
    try:
        ready = await asyncio.to_thread(_ready, ours)
        assert ready, "the process does not become ready"
        yield Node(process)
    finally:
        ours.close()
        await _killed(process)


async def _killed(process: Any) -> None:
    process.kill()
    await asyncio.to_thread(process.join)
    process.close()


def _serve(settings: dict[str, Any]) -> None:
    tables: Any = probe
    service = partial(
        Service,
        "probe",
        ServiceSettings(retry_delays=(0.05, 0.1), **settings),
        commands=tables.COMMANDS,
        consumes=tables.CONSUMES,
        publishes=tables.PUBLISHES,
        repositories=REPOSITORIES,
    )
    serve(lambda: service().asgi())


def _main(amqp_url: str, store_url: str, fate: Fate | None, ready: Connection, silent: bool) -> None:
    if silent:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    if fate is not None:
        _fated(fate)
    asyncio.run(_live(amqp_url, store_url, ready))


def _fated(fate: Fate) -> None:
    """For the rest of this process."""
    vars(service_module)["connect"] = lambda url: Fated(connect(url), fate)
    if fate.place == "after the ack":
        take = Consumer.take

        async def take_and_die(self: Consumer, raw: AbstractIncomingMessage, queue: str) -> None:
            await take(self, raw, queue)
            if raw.message_id == fate.command:
                fate.strike()

        Consumer.take = take_and_die  # type: ignore[method-assign]


async def _live(amqp_url: str, store_url: str, ready: Connection) -> None:
    async with running(probe, REPOSITORIES, Path(), amqp_url, store_url=store_url):
        ready.send(True)
        await asyncio.Event().wait()


def _ready(child: Connection) -> bool:
    with contextlib.suppress(EOFError):
        return child.poll(30) and bool(child.recv())
    return False
