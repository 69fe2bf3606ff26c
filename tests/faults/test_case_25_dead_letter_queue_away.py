"""Case 25: the queue of dead letters is away, or full, while messages are laid aside; later they are replayed."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import aio_pika
import pytest

from shared.messaging import publisher
from shared.messaging.audit import Audit
from shared.messaging.client import Client
from shared.messaging.deadletters import DeadLetters
from shared.messaging.publisher import Publisher
from shared.service import Service
from shared.store.work import Work
from tests.faults.conftest import SetBroker
from tests.faults.probing import NOTHING, command, settled
from tests.messaging import probe
from tests.messaging.probe import Add, Total
from tests.support.running import until

SENT, ROOM = 20, 3


class Fragile:
    """Handles Add once it is mended."""

    def __init__(self) -> None:
        self.broken = True

    async def add(self, message: Add, work: Work) -> Total:
        if self.broken:
            raise RuntimeError("not mended yet")
        return await probe.add(message, work)


@pytest.fixture
def fragile(monkeypatch: pytest.MonkeyPatch) -> Fragile:
    """Add fails until it is mended."""
    found = Fragile()
    monkeypatch.setitem(probe.COMMANDS, Add, found.add)
    return found


async def send(operator: Publisher) -> dict[str, str]:
    """Commands of an integrator who waits for no reply: id -> counter."""
    run = uuid.uuid4().hex[:8]
    sent = {f"{run}-{n}": f"{run}-c{n % 4}" for n in range(SENT)}
    for name, counter in sent.items():
        await operator.publish(command(name, counter))
    return sent


async def replayed(service: Service, operator: Publisher, dead: DeadLetters, sent: dict[str, str]) -> None:
    """All of the reason, twice for good measure: each has one effect and one line in the audit."""
    assert {letter.id for letter in await dead.replay(lambda x: x.reason == "handler-failed", why="mended")} == set(
        sent
    )
    assert await dead.replay(lambda x: x.reason == "handler-failed") == []
    assert await settled(service, operator, sent) == NOTHING
    lines = [a for a in [a async for a in Audit(operator).actions()] if a.message in sent]
    assert sorted(a.message for a in lines) == sorted(sent)
    assert {(a.action, a.outcome, a.why, a.user) for a in lines} == {("replay", "done", "mended", operator.user)}


async def test_case_25_deleted_queue(fragile, service, operator, dead, told):
    channel = await (await operator.connection()).channel()
    await channel.queue_delete("probe.dead")
    sent = await send(operator)
    found = await until(dead.all, lambda letters: len(letters) >= SENT)
    assert {letter.id for letter in found} == set(sent)
    fragile.broken = False
    await replayed(service, operator, dead, sent)
    told("case 25", deleted="probe.dead", sent=SENT, lost=0, replayed=SENT)


@pytest.fixture
def full(broker: Any) -> Iterator[Callable[[], None]]:
    """The queue of dead letters has room for three, until this is called."""
    limit = f'{{"max-length": {ROOM}, "overflow": "reject-publish"}}'
    broker.control("set_policy", "full", r"^probe\.dead$", limit, "--apply-to", "queues")

    ended: list[str] = []

    def end() -> None:
        if not ended:
            ended.append(broker.control("clear_policy", "full"))

    yield end
    end()


async def held(broker: Any, operator: Publisher, dead: DeadLetters) -> dict[str, str]:
    """Commands that fail, of which a few fill the dead letters; the others are held, and what is healthy goes on."""
    sent = await send(operator)
    await until(dead.all, lambda letters: len(letters) >= ROOM)
    async with Client(broker.url("integrator"), timeout=15) as client:
        assert (await client.send(probe.Fail(label="healthy", times=0))).ok
    return sent


async def test_case_25_full_queue_that_is_emptied(fragile, full, service, broker, operator, dead):
    sent = await held(broker, operator, dead)
    fragile.broken = (
        False  # the held ones succeed at their next look, those that were laid aside when they are replayed
    )
    await dead.replay(lambda _: True)
    await settled(service, operator, sent)
    await dead.replay(lambda _: True)  # one that failed just before it was mended was laid aside after the first
    assert await settled(service, operator, sent) == NOTHING


async def test_case_25_full_queue_that_gets_more_room(fragile, full, service, broker, operator, dead, monkeypatch):
    monkeypatch.setattr(publisher, "RENEW_SECONDS", 1.0)
    sent = await held(broker, operator, dead)
    full()
    found = await until(dead.all, lambda letters: len(letters) >= SENT)
    assert sorted(letter.id for letter in found) == sorted(sent), "each once"
    fragile.broken = False
    await replayed(service, operator, dead, sent)


@pytest.fixture
async def hasty(set_broker: SetBroker, broker: Any) -> AsyncIterator[None]:
    """The broker tries its own dead-lettering again after two seconds, where it waits three minutes.

    It asks for that once for each queue, when the queue is made: so this one is made anew, and after the test again.
    """
    await asyncio.to_thread(set_broker, "dead_letter_worker_publisher_confirm_timeout", 2000)
    async with await aio_pika.connect(broker.url("operator")) as connection:
        channel = await connection.channel()
        await channel.queue_delete("probe.commands")
        yield
        await channel.queue_delete("probe.commands")


@pytest.mark.faults
async def test_case_25_queue_away_when_the_broker_itself_dead_letters(
    hasty: None,
    start: Callable[..., AbstractAsyncContextManager[Service]],
    broker: Any,
    operator: Publisher,
    dead: DeadLetters,
):
    async with start():
        pass  # declares
    name = uuid.uuid4().hex
    await operator.publish(command(name, name))
    async with await aio_pika.connect(broker.url("operator")) as connection:
        await (await connection.channel()).queue_delete("probe.dead")

        async def take_and_die() -> bool:
            channel = await connection.channel()
            taken = await (await channel.get_queue("probe.commands", ensure=False)).get(fail=False)
            await channel.close()
            return taken is None

        await until(take_and_die)
    async with start() as service:
        (letter,) = await until(dead.all)
        assert (letter.id, letter.reason) == (name, "delivery_limit")
        assert [x.id for x in await dead.replay(lambda _: True)] == [name]
        assert await settled(service, operator, {name: name}) == NOTHING
