"""`latency`: a supplier registers at one service; when is the reply in, when does its copy stand in another's store?

Real processes of both sides on one broker, each with its SQLite file, which a further process watches. An event's time
runs from when the supplier stands in the first store until it stands in the second. On SQLite, whatever --store says.
"""

import asyncio
import itertools
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median, quantiles

from stdnum.dk import cvr as danish_cvr

from deploy.local.home import ROOT, Home
from deploy.local.system import System
from shared.contracts.supplier import RegisterSupplier
from shared.messaging.client import Client
from tests.bench.bare_services import TABLE
from tests.bench.bench import Bench
from tests.bench.measuring import Figure
from tests.supplier.builders import registration
from tests.support.embedded import Embedded, on_its_own

SAMPLES, WARM_UP = 50, 20
AT_ONCE, FULL_SECONDS, HALF_SECONDS = 32, 4.0, 6.0
FIXED_MS = 25.0
PATIENCE = 30.0

type Times = list[float]


@dataclass
class Measured:
    """Milliseconds: from event to effect, from command to reply."""

    effects: Times = field(default_factory=list)
    replies: Times = field(default_factory=list)


@dataclass
class Side:
    """Two services of which the second hears of the first; `service` is what commands are addressed to."""

    service: str
    client: Client
    cvrs: Iterator[str]
    stores: tuple[str, str]
    _seen: dict[str, dict[str, float]] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def hear(self, watcher: asyncio.subprocess.Process) -> None:
        """Take what the watcher tells, for ever."""
        assert watcher.stdout is not None
        async for line in watcher.stdout:
            store, found, at = line.decode().split()
            self._seen.setdefault(found, {})[store] = float(at)
            self._news.set()

    async def one(self, measured: Measured) -> None:
        """Register one supplier and wait for reply and effect."""
        command, began = registration(cvr=next(self.cvrs)), time.monotonic()
        data = command.model_dump(mode="json", exclude_unset=True)
        reply = await self.client.send_data(self.service, RegisterSupplier.routing_key(), data)
        measured.replies.append(1000 * (time.monotonic() - began))
        assert reply.result is not None, reply.problem
        key = str(reply.result["supplier_id"])
        async with asyncio.timeout(PATIENCE):
            while len(self._seen.get(key, ())) < len(self.stores):
                self._news.clear()
                await self._news.wait()
        first, second = (self._seen[key][store] for store in self.stores)
        measured.effects.append(1000 * (second - first))

    async def full(self, seconds: float) -> float:
        """As many as come through: suppliers a second."""
        measured, end = Measured(), time.monotonic() + seconds

        async def some() -> None:
            while time.monotonic() < end:
                await self.one(measured)

        began = time.monotonic()
        await asyncio.gather(*(some() for _ in range(AT_ONCE)))
        return len(measured.effects) / (time.monotonic() - began)

    async def at(self, rate: float, seconds: float) -> Measured:
        """So many a second, whether or not those before are through."""
        measured = Measured()
        async with asyncio.TaskGroup() as group:
            for _ in range(max(2, round(rate * seconds))):
                group.create_task(self.one(measured))
                await asyncio.sleep(random.expovariate(rate))
        return measured


async def measure(bench: Bench) -> list[Figure]:
    """Idle, one supplier after another on either side in turn; then both at half of what ours takes."""
    folder = bench.folder / "latency"
    environment = on_its_own() | {"NOTIFICATIONS_SMTP_URL": "smtp://127.0.0.1:1", "RUMMELIG_AMQP_URL": ""}
    system = Embedded(System(Home(folder), services=["procurement", "supplier"], environment=environment))
    async with AsyncExitStack() as stack:
        stack.enter_context(system.system)
        await system.ready(120)
        client = await stack.enter_async_context(Client(system.url("operator")))
        cvrs = filter(danish_cvr.is_valid, map(str, itertools.count(10_000_000)))
        ours = Side("supplier", client, cvrs, ("supplier", "procurement"))
        bare = Side("bare", client, cvrs, ("owner", "copier"))
        for role in bare.stores:
            start = partial(_process, "bare_services", role, system.url("operator"), str(folder / f"{role}.db"))
            process = await stack.enter_async_context(start())
            assert process.stdout is not None
            await process.stdout.readline()
        for side, table in ((ours, "c/suppliers"), (bare, TABLE)):
            files = [str(folder / f"{store}.db") for store in side.stores]
            watcher = await stack.enter_async_context(_process("watching", table, *files))
            hearing = asyncio.create_task(side.hear(watcher))
            stack.callback(hearing.cancel)
        idle = await _idle(ours, bare, bench)
        rate = await ours.full(FULL_SECONDS * min(1, bench.scale)) / 2
        await bare.full(FULL_SECONDS * min(1, bench.scale) / 4)
        bench.progress(f"half load: {rate:.0f} suppliers/s")
        half = [[await side.at(rate, HALF_SECONDS * bench.scale / 2) for side in (ours, bare)] for _ in range(2)]
    return [*_figures("idle", idle), *_figures(f"at half load, {rate:.0f}/s", half)]


async def _idle(ours: Side, bare: Side, bench: Bench) -> list[list[Measured]]:
    rounds = []
    for number in range(bench.rounds + 1):
        pair = [Measured(), Measured()]
        for _ in range(bench.count(SAMPLES) if number else bench.count(WARM_UP)):
            for side, measured in zip((ours, bare), pair, strict=True):
                await side.one(measured)
                await asyncio.sleep(random.uniform(0.005, 0.025))
        bench.progress(f"effect: {median(pair[0].effects):.1f} ms, bare {median(pair[1].effects):.1f} ms")
        rounds.append(pair)
    return rounds[1:]


def _figures(load: str, rounds: list[list[Measured]]) -> list[Figure]:
    figures = []
    for what, name in (("effects", "effect"), ("replies", "reply")):
        ours, bare = ([getattr(pair[n], what) for pair in rounds] for n in (0, 1))
        for percent in (50, 99):
            ratios = [_percentile(a, percent) / _percentile(b, percent) for a, b in zip(ours, bare, strict=True)]
            mine, other = (_percentile(list(itertools.chain(*side)), percent) for side in (ours, bare))
            title = f"{name} {load}, p{percent} : bare"
            figures.append(Figure(title, mine, other, "ms", median(ratios), min(ratios), max(ratios)))
        worst = [_percentile(times, 99) / FIXED_MS for times in ours]
        goal = 1.0 if load == "idle" else None
        title = f"{name} {load}, p99 : fixed 25 ms"
        figures.append(Figure(title, mine, FIXED_MS, "ms", median(worst), min(worst), max(worst), goal))
    return figures


def _percentile(times: Times, percent: int) -> float:
    return quantiles(times, n=100, method="inclusive")[percent - 1] if len(times) > 1 else times[0]


@asynccontextmanager
async def _process(module: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"tests.bench.{module}", *arguments, cwd=Path(ROOT), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()
