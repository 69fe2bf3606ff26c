"""A small service of the tests' own: counts, fails and waits as it is told."""

import asyncio
from typing import ClassVar

from pydantic import BaseModel

from shared.contracts.aggregate import Aggregate
from shared.contracts.base import Command, Event
from shared.contracts.problems import Conflict
from shared.store.repository import Repository
from shared.store.work import Work


class Total(BaseModel):
    """The result of Add."""

    total: int


class Add(Command):
    """Add to a counter."""

    result = Total
    key = "counter"

    counter: str
    amount: int = 1


class Fail(Command):
    """Fail so many times, then work."""

    label: str
    times: int = 1


class Secret(Command):
    """Nobody may send it."""

    senders = ("nobody",)


class Added(Event):
    """A counter changed."""

    about = "counter"

    counter: str
    total: int


class Heard(Event):
    """Nobody need listen to this one."""

    about = "counter"
    optional = True

    counter: str


class Counter(Aggregate):
    """Counts."""

    total: int = 0


class Seen(Aggregate):
    """What the consuming side saw of a counter."""

    total: int


COUNTERS = Repository("counters", Counter)
SEEN = Repository("seen", Seen)


class Tally:
    """What handlers note for the test to see: this process's memory, not a store."""

    failures: ClassVar[dict[str, int]] = {}
    order: ClassVar[list[tuple[str, int]]] = []
    gate: ClassVar[asyncio.Event | None] = None
    error: ClassVar[str] = "failed as told"


async def add(command: Add, work: Work) -> Total:
    """Add; refuses 13."""
    if command.amount == 13:
        raise Conflict("thirteen is not added here")
    counter = await work.get(COUNTERS, command.counter) or Counter(id=command.counter)
    if Tally.gate is not None:
        await Tally.gate.wait()
    Tally.order.append((command.counter, command.amount))
    changed = counter.model_copy(update={"total": counter.total + command.amount})
    work.save(COUNTERS, changed, [Added(counter=counter.id, total=changed.total), Heard(counter=counter.id)])
    return Total(total=changed.total)


async def fail(command: Fail, _: Work) -> None:
    """Fail as often as told."""
    Tally.failures[command.label] = Tally.failures.get(command.label, 0) + 1
    if Tally.failures[command.label] <= command.times:
        raise RuntimeError(f"{Tally.error}, {command.label}")


async def keep_secret(_: Secret, __: Work) -> None:
    """Never reached."""


async def see(event: Added, work: Work) -> None:
    """Keep the newest total."""
    await work.put(SEEN, Seen(id=event.counter, version=work.message.aggregateversion or 1, total=event.total))


COMMANDS = {Add: add, Fail: fail, Secret: keep_secret}
CONSUMES = {Added: see}
PUBLISHES = (Added, Heard)
