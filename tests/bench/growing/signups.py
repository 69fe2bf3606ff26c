"""Per sign-up, in one network event that has so many already; half of them wait."""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import AsyncExitStack

from services.events import messages
from services.events.domain import announce
from services.events.store import EVENTS, REPOSITORIES, SIGNUPS
from shared.store.port import Document
from shared.store.work import INBOX
from tests.bench.bench import Bench
from tests.bench.filling import entry, fill, made, stored
from tests.bench.growing import grown
from tests.bench.measuring import Cost, Figure, Side, Stopwatch
from tests.events.builders import LINKS, on_site_only, person
from tests.support.harness import NOW, Harness, done, opened

SIZES = (100, 1_000, 10_000)
AT_ONCE = 32
EVENT = "event"


async def filled(url: str, size: int) -> None:
    """An event with so many sign-ups in a store."""
    await made(url, REPOSITORIES)
    event, signups = announce(EVENT, on_site_only(max(1, size // 2)), NOW), []
    for number in range(size):
        event, signup = event.sign_up(f"signup-{number * 7919 % size:05}", person(EVENT, number), NOW)
        signups.append(signup.model_copy(update={"version": 1}))
    await fill(url, EVENTS.collection, [stored(EVENTS, event.model_copy(update={"version": size + 1}))])
    await fill(url, SIGNUPS.collection, (stored(SIGNUPS, signup) for signup in signups))
    await fill(url, INBOX, _seen(size))


def _seen(size: int) -> Iterator[Document]:
    return (entry("events.commands", number, NOW) for number in range(size))


def side(rig: Harness, count: int) -> Side:
    """So many further sign-ups, some at a time."""
    numbers = itertools.count(1_000_000)
    free = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with free:
            done(await rig.send(person(EVENT, next(numbers))))

    async def all_of_them() -> Cost:
        rig.events.clear()
        with Stopwatch() as watch:
            await asyncio.gather(*(one() for _ in range(count)))
        return watch.cost(count)

    return all_of_them


async def measure(bench: Bench) -> list[Figure]:
    """Each size in a store of its own."""
    async with AsyncExitStack() as stack:
        sides = {}
        for size in SIZES:
            url = bench.new_store()
            await filled(url, bench.count(size))
            rig = await stack.enter_async_context(opened(url, messages, REPOSITORIES, LINKS))
            sides[size] = side(rig, bench.count(100))
        return await grown("sign-up", sides, bench)
