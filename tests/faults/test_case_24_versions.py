"""Case 24: old and new versions of a service side by side, on one store and the same queues, while others publish."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import generate_latest
from pydantic import BaseModel

from shared.contracts.aggregate import Aggregate
from shared.contracts.base import Command, Envelope, Event, Message
from shared.messaging import failing
from shared.messaging.client import Client
from shared.messaging.deadletters import DeadLetters
from shared.messaging.publisher import Outgoing, Publisher
from shared.service import Service
from shared.store.port import Document
from shared.store.repository import Repository
from shared.store.work import Work
from tests.support.running import running, until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(200)]

NAME = "rolling"


class Sum(BaseModel):
    total: int


class Add(Command, service=NAME, name="add"):
    """Add one."""

    result = Sum
    key = "counter"
    counter: str


class Added(Event, service=NAME, name="added"):
    """First version."""

    about = "counter"
    optional = True
    counter: str
    total: int


class AddedWithWho(Added, service=NAME, name="added"):
    """The first version with one more optional field."""

    who: str = ""


class AddedTwo(Event, service=NAME, name="added", version=2):
    """Second version: another meaning."""

    about = "counter"
    optional = True
    counter: str
    sum: int


class Counter(Aggregate):
    total: int = 0


class NotedCounter(Counter):
    """With a field more."""

    note: str = ""


class Heard(Aggregate):
    total: int


COUNTERS = Repository("counters", Counter)
NOTED = Repository("counters", NotedCounter)
HEARD = Repository("heard", Heard, follows=True)


def doubled(document: Document) -> Document:
    return {**document, "halves": 2 * document["total"]}


class Halved(Aggregate):
    """Another format: counts halves."""

    halves: int = 0


HALVED = Repository("counters", Halved, migrations=(doubled,), gone=("total",))


async def add_old(command: Add, work: Work) -> Sum:
    counter = await work.get(COUNTERS, command.counter) or Counter(id=command.counter)
    after = counter.model_copy(update={"total": counter.total + 1})
    work.save(COUNTERS, after, [Added(counter=after.id, total=after.total)])
    return Sum(total=after.total)


async def add_noted(command: Add, work: Work) -> Sum:
    counter = await work.get(NOTED, command.counter) or NotedCounter(id=command.counter)
    after = counter.model_copy(update={"total": counter.total + 1, "note": counter.note + "n"})
    work.save(NOTED, after, [AddedWithWho(counter=after.id, total=after.total, who="new")])
    return Sum(total=after.total)


async def add_halves(command: Add, work: Work) -> Sum:
    counter = await work.get(HALVED, command.counter) or Halved(id=command.counter)
    after = counter.model_copy(update={"halves": counter.halves + 2})
    work.save(HALVED, after)
    return Sum(total=after.halves // 2)


async def hear(event: Added, work: Work) -> None:
    await work.put(HEARD, Heard(id=event.counter, version=work.message.aggregateversion or 1, total=event.total))


async def hear_two(event: AddedTwo, work: Work) -> None:
    await work.put(HEARD, Heard(id=event.counter, version=work.message.aggregateversion or 1, total=event.sum))


def version(add: Any, consumes: dict[type[Message], Any], publishes: Sequence[type[Event]]) -> Any:
    return SimpleNamespace(COMMANDS={Add: add}, CONSUMES=consumes, PUBLISHES=publishes)


OLD = version(add_old, {Added: hear}, (Added,))
NOTING = version(add_noted, {AddedWithWho: hear}, (AddedWithWho,))
HEARING_TWO = version(add_noted, {AddedWithWho: hear, AddedTwo: hear_two}, (AddedWithWho, AddedTwo))
HALVING = version(add_halves, {Added: hear}, (Added,))

type Start = Callable[..., AbstractAsyncContextManager[Service]]


@pytest.fixture
def start(broker: Any, tmp_path: Path) -> Start:
    """Starts a version of the service; all share one store and one broker. Few messages in hand: both get some."""

    def starting(
        version: Any, counters: Repository[Any], retry_delays: tuple[float, ...] = (0.1, 0.2, 0.4)
    ) -> AbstractAsyncContextManager[Service]:
        return running(
            version,
            [counters, HEARD],
            tmp_path,
            broker.url("operator"),
            name=NAME,
            prefetch=3,
            retry_delays=retry_delays,
        )

    return starting


@pytest.fixture
async def operator(broker: Any) -> AsyncIterator[Publisher]:
    publisher = Publisher(broker.url("operator"), "test-operator")
    await DeadLetters(publisher, NAME).drop(lambda _: True)
    yield publisher
    await publisher.close()


async def send_all(broker: Any, number: int, counters: int = 5) -> None:
    async with Client(broker.url("operator"), timeout=60) as client:
        commands = [Add(counter=f"c{n % counters}") for n in range(number)]
        replies = await asyncio.gather(*(client.send(command) for command in commands))
    assert [reply.problem for reply in replies if not reply.ok] == []


async def documents(service: Service, repository: Repository[Any]) -> list[Document]:
    return [d async for d in service.store.everything(repository.collection)]


async def test_one_more_optional_field_in_document_and_event(broker: Any, start: Start, operator: Publisher):
    async with start(OLD, COUNTERS) as old, start(NOTING, NOTED) as new:
        await send_all(broker, 300)
        found = [NOTED.to_aggregate(d) for d in await documents(new, NOTED)]
        assert sum(c.total for c in found) == 300
        by_new = sum(len(c.note) for c in found)
        assert 0 < by_new < 300, "both had some"

        async def heard() -> int:
            return sum(d["total"] for d in await documents(old, HEARD))

        await until(heard, lambda total: total == 300)
        for service in (old, new):
            assert service.reasons() == []
    assert await DeadLetters(operator, NAME).all() == []


async def test_another_format_of_documents_while_old_processes_end(broker: Any, start: Start, operator: Publisher):
    """What the old process cannot read any more waits in its hands, and goes to the new one when the old one ends."""
    async with start(HALVING, HALVED) as new:
        async with start(OLD, COUNTERS) as old:
            sending = asyncio.create_task(send_all(broker, 200))

            async def migrated() -> bool:
                return any(d.get("format") == 2 for d in await documents(new, HALVED))

            await until(migrated)

            async def why() -> list[str]:
                return old.reasons()

            assert "newer version" in str(await until(why))
        await sending
        found = [HALVED.to_aggregate(d) for d in await documents(new, HALVED)]
        assert sum(c.halves for c in found) == 400
    assert await DeadLetters(operator, NAME).all() == []


def two(number: int) -> tuple[str, Outgoing]:
    """An event of the second version, as its publisher's relay or a replay sends it."""
    name = str(uuid.uuid4())
    event = AddedTwo(counter=f"two{number}", sum=number)
    envelope = Envelope(
        id=name,
        source=f"/{NAME}",
        type=AddedTwo.type(),
        data=event.model_dump(),
        subject=event.counter,
        aggregateversion=1,
    )
    sent_by = {failing.SENDER: NAME}
    return name, Outgoing("", f"{NAME}.from.{NAME}", envelope.to_json(), name, headers=sent_by)


async def test_an_event_of_a_newer_version_waits_for_a_process_that_knows_it(
    broker: Any, start: Start, operator: Publisher
):
    delays = (0.1, 1.0, 5.0, 5.0, 5.0)  # the old process is gone before the last of them is over
    async with start(HEARING_TWO, NOTED, delays) as new:
        async with start(OLD, COUNTERS, delays) as old:
            for number in range(40):
                await operator.publish(two(number)[1])

            async def left() -> bool:
                return b"rummelig_retried_total{" in generate_latest(old.metrics.registry)

            await until(left)

        async def heard() -> int:
            return len(await documents(new, HEARD))

        await until(heard, lambda count: count == 40, patience=60)
    assert await DeadLetters(operator, NAME).all() == []


async def test_where_no_newer_process_comes_it_is_parked_and_taken_later(
    broker: Any, start: Start, operator: Publisher
):
    dead = DeadLetters(operator, NAME)
    name, message = two(7)
    async with start(OLD, COUNTERS):
        await operator.publish(message)

        async def parked() -> list[Any]:
            return await dead.all()

        (letter,) = await until(parked)
        assert (letter.id, letter.reason) == (name, "unknown-type")
        await send_all(broker, 10)
    async with start(HEARING_TWO, NOTED) as new:
        await dead.replay(lambda found: found.id == name)

        async def heard() -> list[Document]:
            return [d for d in await documents(new, HEARD) if d["_id"] == "two7"]

        (document,) = await until(heard)
        assert document["total"] == 7
    assert await dead.all() == []
