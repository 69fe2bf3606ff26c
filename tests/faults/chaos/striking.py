"""The faults themselves, on real processes, sockets and files of one embedded system."""

import asyncio
import contextlib
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

from deploy.local.system import System
from tests.faults.chaos.schedule import SERVICES, Fault
from tests.notifications.sink import DROP, Sink
from tests.support.broker import control
from tests.support.tap import Tap

GONE_SECONDS = 40.0
BETWEEN_SECONDS = 0.5
"""From one service to the next in a rolling restart."""
SLOW_SECONDS = 2.0
LATE_SECONDS = 0.15
LATER = "451 4.3.0 try again later"


class Striker:
    """Strikes; `strike` returns when the fault is over: the process is dead, or what was taken away is back."""

    def __init__(self, system: System, taps: Mapping[str, Tap], sink: Sink) -> None:
        self._system, self._taps, self._sink = system, taps, sink

    async def strike(self, fault: Fault) -> None:
        """By the fault's kind."""
        kinds: dict[str, Callable[[Fault], Awaitable[None]]] = {
            "kill": self._kill,
            "kill broker": self._kill,
            "restart": self._restart,
            "restart broker": self._restart,
            "rolling": self._rolling,
        }
        if fault.kind in kinds:
            await kinds[fault.kind](fault)
            return
        lasting = {
            "pause": self._paused,
            "alarm": self._alarmed,
            "cut": self._cut,
            "freeze": self._frozen,
            "delay": self._delayed,
            "smtp": self._mail_server,
            "lock": self._locked,
        }
        async with lasting[fault.kind](fault.target):
            await asyncio.sleep(fault.seconds)

    async def _kill(self, fault: Fault) -> None:
        await asyncio.to_thread(self._system.kill, fault.target)

    async def _restart(self, fault: Fault) -> None:
        await self._told_to_stop(fault.target)

    async def _rolling(self, _: Fault) -> None:
        for service in SERVICES:
            await self._told_to_stop(service)
            await asyncio.sleep(BETWEEN_SECONDS)

    async def _told_to_stop(self, name: str) -> None:
        pid = self._system.processes()[name]["pid"]
        self._system.kill(name, signal.SIGTERM)
        async with asyncio.timeout(GONE_SECONDS):
            while pid and self._system.processes()[name]["pid"] == pid:
                await asyncio.sleep(0.05)

    @contextlib.asynccontextmanager
    async def _paused(self, name: str) -> AsyncIterator[None]:
        self._system.kill(name, signal.SIGSTOP)
        try:
            yield
        finally:
            self._system.kill(name, signal.SIGCONT)

    @contextlib.asynccontextmanager
    async def _alarmed(self, kind: str) -> AsyncIterator[None]:
        on, off = {
            "memory": (("set_vm_memory_high_watermark", "0.00001"), ("set_vm_memory_high_watermark", "0.6")),
            "disk": (("set_disk_free_limit", "100TB"), ("set_disk_free_limit", "200MB")),
        }[kind]
        await self._control(*on)
        try:
            yield
        finally:
            await self._control(*off)

    async def _control(self, *words: str) -> None:
        # A broker that another fault has just taken down knows nothing of the alarm either.
        with contextlib.suppress(AssertionError):
            await asyncio.to_thread(control, self._system.home, *words)

    @contextlib.asynccontextmanager
    async def _cut(self, name: str) -> AsyncIterator[None]:
        self._taps[name].refusing = True
        self._taps[name].cut()
        try:
            yield
        finally:
            self._taps[name].refusing = False

    @contextlib.asynccontextmanager
    async def _frozen(self, name: str) -> AsyncIterator[None]:
        self._taps[name].freeze()
        try:
            yield
        finally:
            self._taps[name].thaw()

    @contextlib.asynccontextmanager
    async def _delayed(self, name: str) -> AsyncIterator[None]:
        self._taps[name].delay = LATE_SECONDS
        try:
            yield
        finally:
            self._taps[name].delay = 0.0

    @contextlib.asynccontextmanager
    async def _mail_server(self, how: str) -> AsyncIterator[None]:
        sink = self._sink
        if how == "down":
            await sink.stop()
        elif how == "slow":
            sink.seconds = SLOW_SECONDS
        else:
            answer = DROP if how == "vanishing" else LATER
            sink.data = lambda _: answer
        try:
            yield
        finally:
            sink.seconds, sink.data = 0, lambda _: None
            if how == "down":
                await sink.start()

    @contextlib.asynccontextmanager
    async def _locked(self, service: str) -> AsyncIterator[None]:
        url = self._system.endpoints()["store"][service]
        connection = sqlite3.connect(Path(url.removeprefix("sqlite:///")), timeout=5, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield
        finally:
            connection.close()
