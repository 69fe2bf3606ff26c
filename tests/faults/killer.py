"""The probe service as a process that some messages kill, started again and again.

`python -m tests.faults.killer <amqp url> <folder> <prefetch>` prints a line for each death. End it with SIGTERM.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from tests.messaging import probe
from tests.messaging.probe import COUNTERS, SEEN, Fail
from tests.support.running import running

DEADLY = 86


async def die(_: Fail, __: object) -> None:
    """As a fault in a C library would do it: nothing is caught, nothing is settled."""
    os._exit(DEADLY)


async def live(url: str, folder: str, prefetch: int) -> NoReturn:
    """The service, for ever."""
    tables = ModuleType("tables")
    tables.COMMANDS = {**probe.COMMANDS, Fail: die}  # type: ignore[attr-defined]
    tables.CONSUMES, tables.PUBLISHES = probe.CONSUMES, probe.PUBLISHES  # type: ignore[attr-defined]
    async with running(tables, [COUNTERS, SEEN], Path(folder), url, prefetch=prefetch, ready=False):
        while True:
            await asyncio.sleep(3600)


def main(url: str, folder: str, prefetch: str) -> None:
    """Forks, so that a life begins at once."""
    while True:
        child = os.fork()
        if not child:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            asyncio.run(live(url, folder, int(prefetch)))

        def stop(*_: object, child: int = child) -> NoReturn:
            os.kill(child, signal.SIGKILL)
            sys.exit(0)

        signal.signal(signal.SIGTERM, stop)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != DEADLY:
            sys.exit(f"the service ended by itself: {status}")
        print("died", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
