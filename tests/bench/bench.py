"""What a measurement is given, and the machine that it runs on."""

import contextlib
import os
import platform
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pydantic_core

from tests.bench.measuring import Progress
from tests.support.broker import Broker

LIBRARIES = ("faststream", "aio-pika", "aiormq", "pydantic", "pymongo", "motor", "aiosmtplib", "uvloop", "uvicorn")


@dataclass
class Bench:
    """The broker, a directory and a store for one run of the command.

    `scale` shrinks counts of operations, for trying; figures are meant at 1. `store_url` makes a store's URL from a
    name that is new each time: a SQLite file, or a database of the MongoDB that was given.
    """

    folder: Path
    broker: Broker
    store_url: Callable[[str], str]
    progress: Progress
    scale: float = 1.0
    rounds: int = 5
    _names: list[str] = field(default_factory=list)

    def count(self, most: int) -> int:
        """So many operations, at the scale of this run."""
        return max(1, round(most * self.scale))

    def new_store(self) -> str:
        """The URL of an empty store."""
        self._names.append(f"bench_{os.getpid()}_{len(self._names)}")
        return self.store_url(self._names[-1])


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def machine() -> dict[str, Any]:
    """What the figures hang on."""
    return {
        "cpus": os.process_cpu_count(),
        "cpu": _cpu(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "pydantic-core": pydantic_core.__version__,
        **{name: version(name) for name in LIBRARIES},
    }


def _cpu() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
