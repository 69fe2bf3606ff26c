"""`memory`: what the service processes hold, idle and after many events, against an empty FastStream app.

Resident size as the kernel tells it. The events are `supplier-updated`, of a thousand suppliers in turn, and
procurement takes them as in production: inbox, a write in its store, a search for matching demands. The warm-up fills
the page cache that SQLite is allowed (16 MB). A million events after it: `--scale 50`.
"""

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import aio_pika
import httpx

from deploy.local.home import Home
from deploy.local.system import System
from shared.contracts.base import Envelope
from shared.contracts.examples import example
from shared.contracts.supplier import SupplierUpdated
from tests.bench.bench import Bench
from tests.bench.measuring import Figure
from tests.support.embedded import SERVICES, Embedded, on_its_own

ROUNDS = 3
SETTLED_SECONDS = 4
"""After ready: the first looks of all background jobs are over."""
SERVICE, QUEUE = "procurement", "procurement.from.supplier"
SUPPLIERS = 1000
WARM_UP, EVENTS = 30_000, 20_000
AT_ONCE = 2500
"""Published in one go. So many more may wait in the queue."""
PATIENCE = 120.0
LOOK_SECONDS = 0.25
GOAL_IDLE, GOAL_GROWTH = 1.5, 1.05


def resident(pid: int) -> float:
    """Megabytes (Linux)."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def empty_app(url: str) -> Iterator[int]:
    """An app that does nothing, connected; its process."""
    command = [sys.executable, str(Path(__file__).with_name("empty_app.py")), url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            assert b"connected\n" in process.stdout, "it did not connect"  # reads as far as that
            yield process.pid
        finally:
            process.terminate()


async def measure(bench: Bench) -> list[Figure]:
    """Idle some times over; then the events, into the last of these systems."""
    rounds = min(bench.rounds, ROUNDS)
    idle: dict[str, list[float]] = {name: [] for name in SERVICES}
    empty: list[float] = []
    growth: list[Figure] = []
    for number in range(rounds):
        system = Embedded(System(Home(bench.folder / "memory"), environment=on_its_own()))
        with system.system, empty_app(bench.broker.url("operator")) as app:
            await system.ready()
            await asyncio.sleep(SETTLED_SECONDS)
            empty.append(resident(app))
            for name in SERVICES:
                idle[name].append(resident(_pid(system, name)))
            bench.progress(", ".join(f"{n} {v[-1]:.1f} MB" for n, v in {"empty": empty, **idle}.items()))
            if number == rounds - 1:
                growth.append(await grown(system, bench))
    return [*(_idle(name, found, empty) for name, found in idle.items()), *growth]


def _pid(system: Embedded, name: str) -> int:
    return int(system.system.processes()[name]["pid"])


def _idle(name: str, found: list[float], empty: list[float]) -> Figure:
    ratios = [a / b for a, b in zip(found, empty, strict=True)]
    figure = f"memory, {name} idle : FastStream"
    return Figure(figure, median(found), median(empty), "MB", median(ratios), min(ratios), max(ratios), GOAL_IDLE)


async def grown(system: Embedded, bench: Bench) -> Figure:
    """Resident size at the end, against that after the warm-up; spread: all that was seen in between."""
    warm_up, events = min(WARM_UP, bench.count(WARM_UP)), bench.count(EVENTS)
    pid, seen, done = _pid(system, SERVICE), dict[int, float](), 0
    async with await aio_pika.connect(system.url("operator")) as connection:
        channel = await connection.channel()
        while done < warm_up + events:
            many = min(AT_ONCE, (warm_up if done < warm_up else warm_up + events) - done)
            await _publish(channel, done, many)
            done += many
            taken = done if done in {warm_up, warm_up + events} else done - AT_ONCE
            await _taken(system.http[SERVICE], taken)
            seen[done] = resident(pid)
            if done % 10_000 == 0:
                bench.progress(f"{done} events: {seen[done]:.1f} MB")
    warm, end = seen[warm_up], seen[warm_up + events]
    after = [size / warm for count, size in seen.items() if count > warm_up]
    name = f"memory, {(warm_up + events) / 1000:g}k events : {warm_up / 1000:g}k"
    return Figure(name, end, warm, "MB", end / warm, min(after), max(after), GOAL_GROWTH)


async def _taken(url: str, least: int) -> None:
    """Wait until the service has settled so many. Looked at now and then: each look costs it some milliseconds."""
    async with httpx.AsyncClient(base_url=url) as http, asyncio.timeout(PATIENCE):
        while _settled((await http.get("/metrics")).text) < least:
            await asyncio.sleep(LOOK_SECONDS)


def _settled(metrics: str) -> float:
    lines = (line for line in metrics.splitlines() if line.startswith("rummelig_consumed_total{") and QUEUE in line)
    return sum(float(line.rpartition(" ")[2]) for line in lines)


async def _publish(channel: aio_pika.abc.AbstractChannel, first: int, many: int) -> None:
    exchange = channel.default_exchange
    messages = [message(number) for number in range(first, first + many)]
    await asyncio.gather(*(exchange.publish(each, QUEUE) for each in messages))


def message(number: int) -> aio_pika.Message:
    """The next version of one of the suppliers."""
    told = example(SupplierUpdated).model_copy(update={"supplier_id": f"supplier-{number % SUPPLIERS}"})
    envelope = Envelope(
        id=str(uuid.uuid4()),
        source="/supplier",
        type=told.type(),
        subject=told.subject,
        data=told.model_dump(mode="json"),
        aggregateversion=number // SUPPLIERS + 1,
    )
    return aio_pika.Message(envelope.to_json(), message_id=envelope.id, user_id="operator", delivery_mode=2)
