"""Keeps the processes of a plan running: `python -m deploy.local.supervisor <home>`, one for each home.

What dies is started again, at first at once, then with growing pauses. SIGTERM ends all in order: services first, the
broker last. `run/processes.json` says at any time what runs and what is ready; a file `run/hold/<name>` keeps a
process from being started again (tests use it to keep one down).
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

from deploy.local.home import Home, locked, read_json, write_json
from deploy.local.probe import probe
from deploy.local.process import HELD, KEEP_LOG_BYTES, WAITS, Identity, Spec, start_options

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
STEADY_SECONDS = 10.0
"""Who ran so long is started again without a longer pause."""
LOOK_SECONDS, LOOK_READY_SECONDS = 0.1, 1.0
NEW: dict[str, Any] = {
    "pid": None,
    "started": None,
    "starts": 0,
    "ready": False,
    "was_ready": False,
    "reasons": [WAITS],
}


class Supervisor:
    """Runs the plan in `home.plan` until it is told to stop."""

    def __init__(self, home: Home) -> None:
        plan = read_json(home.plan)
        self._home = home
        self._specs = [Spec(**each) for each in plan["processes"]]
        self._endpoints = plan["endpoints"]
        self._children: dict[str, Process] = {}
        self._state = {spec.name: dict(NEW, helper=spec.helper) for spec in self._specs}
        self._told = ""

    async def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        keepers = [asyncio.create_task(self._keep(spec), name=spec.name) for spec in self._specs]
        await stop.wait()
        _say("stopping")
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        for layer in sorted({spec.layer for spec in self._specs}, reverse=True):
            await asyncio.gather(*(self._end(spec) for spec in self._specs if spec.layer == layer))
        self._home.endpoints.unlink(missing_ok=True)
        self._home.processes.unlink(missing_ok=True)

    async def _keep(self, spec: Spec) -> None:
        pause = FIRST_PAUSE
        while True:
            await self._released(spec)
            began = time.monotonic()
            ended = await self._live(spec)
            pause = FIRST_PAUSE if time.monotonic() - began > STEADY_SECONDS else min(2 * pause, LONGEST_PAUSE)
            _say(f"{spec.name} {ended}; starts again in {pause:.1f} s")
            self._tell(spec, pid=None, ready=False, reasons=[ended])
            await asyncio.sleep(pause)

    async def _released(self, spec: Spec) -> None:
        while (self._home.run / "hold" / spec.name).exists():
            self._tell(spec, pid=None, ready=False, reasons=[HELD])
            await asyncio.sleep(LOOK_SECONDS)

    async def _live(self, spec: Spec) -> str:
        """One life of the process; says how it ended."""
        try:
            child = await self._start(spec)
        except OSError as error:
            return f"cannot be started: {error}"
        self._children[spec.name] = child
        starts = self._state[spec.name]["starts"] + 1
        self._tell(spec, pid=child.pid, ready=False, reasons=["starting"], starts=starts)
        _say(f"{spec.name} started, pid {child.pid}")
        watch = asyncio.create_task(self._watch(spec))
        try:
            code = await child.wait()
        finally:
            watch.cancel()
        return f"ended with {code}{_last_words(Path(spec.log)) if code > 0 else ''}"

    async def _start(self, spec: Spec) -> Process:
        options = start_options(Path(spec.log), spec.environment, spec.directory)
        try:
            return await asyncio.create_subprocess_exec(*spec.arguments, **options)
        finally:
            os.close(options["stdout"])

    async def _watch(self, spec: Spec) -> None:
        while True:
            reasons = await probe(spec.probe)
            self._tell(spec, ready=not reasons, reasons=reasons)
            _keep_small(Path(spec.log))
            await asyncio.sleep(LOOK_SECONDS if reasons else LOOK_READY_SECONDS)

    async def _end(self, spec: Spec) -> None:
        child = self._children.get(spec.name)
        if child is None or child.returncode is not None:
            return
        child.terminate()
        try:
            async with asyncio.timeout(spec.grace):
                await child.wait()
        except TimeoutError:
            _say(f"{spec.name} does not end within {spec.grace:.0f} s: killed")
            child.kill()
            await child.wait()

    def _tell(self, spec: Spec, **changes: Any) -> None:
        entry = self._state[spec.name]
        entry.update(changes)
        entry["was_ready"] |= entry["ready"]
        identity = Identity.of(entry["pid"]) if entry["pid"] else None
        entry["started"] = identity.started if identity else None
        state = {"supervisor": vars(Identity.of(os.getpid())), "processes": self._state}
        if (told := json.dumps(state)) != self._told:
            self._told = told
            self._write_endpoints()  # before who waits for readiness sees it
            write_json(self._home.processes, state)

    def _write_endpoints(self) -> None:
        ready = [entry for entry in self._state.values() if entry["ready"]]
        if len(ready) == len(self._specs) and not self._home.endpoints.exists():
            write_json(self._home.endpoints, self._endpoints)


def _last_words(log: Path) -> str:
    """What the process wrote last: where a setting is wrong, that is the line which says so."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 2000))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return f": {lines[-1][:300]}" if lines else ""


def _keep_small(log: Path) -> None:
    """Put a large log aside. It is opened for appending, so who writes goes on at its new beginning."""
    if log.stat().st_size > KEEP_LOG_BYTES:
        shutil.copyfile(log, log.with_suffix(".old.log"))
        os.truncate(log, 0)


def _say(line: str) -> None:
    print(time.strftime("%Y-%m-%dT%H:%M:%S"), line, flush=True)


def main() -> int:
    """Exit code 3: another supervisor has this home."""
    home = Home(Path(sys.argv[1]))
    with locked(home.lock, wait=False) as mine:
        if not mine:
            return 3
        asyncio.run(Supervisor(home).run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
