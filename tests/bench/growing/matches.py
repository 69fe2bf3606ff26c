"""Per match of a demand that a fixed number of suppliers fit, and per supplier that fits a fixed number of demands."""

import itertools
from contextlib import AsyncExitStack

from services.procurement import messages
from services.procurement.domain import publish
from services.procurement.store import DEMANDS, REPOSITORIES, SUPPLIERS
from tests.bench.bench import Bench
from tests.bench.filling import fill, made, stored
from tests.bench.growing import grown
from tests.bench.measuring import Cost, Figure, Side, Stopwatch
from tests.procurement.builders import CATERING, CLEANING, OFFICE_CLEANING, PRINTING, copy, demand, supplier
from tests.support.harness import NOW, Harness, done, opened

SIZES = (100, 1_000, 10_000)
FIT = 50
WANTED = 10
"""Demands that each new supplier fits."""


async def filled(url: str, size: int) -> None:
    """So many suppliers, of whom a fixed number clean, and demands for catering."""
    await made(url, REPOSITORIES)
    every = max(1, size // FIT)
    suppliers = (
        copy(supplier(f"s{n * 7919 % size:05}", OFFICE_CLEANING if n % every == 0 and n < FIT * every else PRINTING))
        for n in range(size)
    )
    await fill(url, SUPPLIERS.collection, (stored(SUPPLIERS, each) for each in suppliers))
    demands = (publish(f"demand-{n}", demand(cpv=(CATERING,)), NOW)[0] for n in range(WANTED))
    await fill(url, DEMANDS.collection, (stored(DEMANDS, each) for each in demands))


def publishing(rig: Harness, count: int, fit: int) -> Side:
    """Publish so many demands for cleaning, one after another."""

    async def publish_all() -> Cost:
        rig.events.clear()
        with Stopwatch() as watch:
            for _ in range(count):
                done(await rig.send(demand(cpv=(CLEANING,))))
        return watch.cost(count * fit)

    return publish_all


def registering(rig: Harness, count: int) -> Side:
    """Hear of so many new caterers, one after another."""
    numbers = itertools.count()

    async def register_all() -> Cost:
        rig.events.clear()
        with Stopwatch() as watch:
            for _ in range(count):
                await rig.feed(supplier(f"new-{next(numbers)}", CATERING))
        return watch.cost(count)

    return register_all


async def measure(bench: Bench) -> list[Figure]:
    """Each size in a store of its own."""
    async with AsyncExitStack() as stack:
        matching, hearing = {}, {}
        for size in SIZES:
            url, suppliers = bench.new_store(), bench.count(size)
            await filled(url, suppliers)
            rig = await stack.enter_async_context(opened(url, messages, REPOSITORIES))
            matching[size] = publishing(rig, bench.count(4), min(FIT, suppliers))
            hearing[size] = registering(rig, bench.count(20))
        return [
            *await grown("match", matching, bench),
            *await grown("supplier with 10 matches", hearing, bench),
        ]
