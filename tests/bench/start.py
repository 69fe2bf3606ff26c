"""`start`: `./rummelig up` until all is ready, the second time, against the private RabbitMQ node alone."""

import asyncio
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import Protocol

from deploy.local.home import Home
from deploy.local.system import System
from tests.bench.bench import Bench
from tests.bench.measuring import Figure
from tests.support.embedded import on_its_own, rummelig

ROUNDS = 4
"""Each is some twenty seconds with the stops."""
ALONE = {"RUMMELIG_AMQP_URL": "", "NOTIFICATIONS_SMTP_URL": "smtp://127.0.0.1:1"}


class Side(Protocol):
    """What is started."""

    def start(self) -> None:
        """Up and ready."""

    def stop(self) -> None:
        """Down again."""


class Everything:
    """The command as a person types it: the launcher, broker, mail sink, four services, until it returns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self) -> None:
        self._run("up", "--detach")

    def stop(self) -> None:
        self._run("down")

    def _run(self, *words: str) -> None:
        done = rummelig(*words, home=self._folder, seconds=120)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, words, done.stdout, done.stderr)


class Alone:
    """The same node with the same users and queues under the same supervisor, and nobody to use it.

    Started from this process, so no launcher and no import is on its account.
    """

    def __init__(self, folder: Path) -> None:
        self._system = System(Home(folder), services=[], environment=on_its_own() | ALONE)

    def start(self) -> None:
        self._system.start()
        self._system.wait_ready()

    def stop(self) -> None:
        self._system.stop()


def seconds(side: Side) -> float:
    """One start; the stop after it is not measured."""
    try:
        began = time.perf_counter()
        side.start()
        return time.perf_counter() - began
    finally:
        side.stop()


async def measure(bench: Bench) -> list[Figure]:
    """In turn, each in a home where it has run once."""
    rounds = min(bench.rounds, ROUNDS)
    sides: dict[str, Side] = {"up": Everything(bench.folder / "up"), "alone": Alone(bench.folder / "alone")}
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            took = await asyncio.to_thread(seconds, side)
            bench.progress(f"{name}: {took:.2f} s{'' if number else ', the first time'}")
            if number:
                found[name].append(took)
    return [beyond(found["up"], found["alone"]), ratio(found["up"], found["alone"])]


def beyond(up: list[float], alone: list[float]) -> Figure:
    """The goal is told in seconds: in the ratio's place stands how many more it takes than the node alone."""
    more = [a - b for a, b in zip(up, alone, strict=True)]
    name = "start, up minus RabbitMQ, seconds"
    return Figure(name, median(up), median(alone), "s", median(more), min(more), max(more), goal=3.0)


def ratio(up: list[float], alone: list[float]) -> Figure:
    """As the other figures are."""
    ratios = [a / b for a, b in zip(up, alone, strict=True)]
    name = "start, up : RabbitMQ"
    return Figure(name, median(up), median(alone), "s", median(ratios), min(ratios), max(ratios))
