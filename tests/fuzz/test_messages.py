"""Thousands of malformed and hostile messages: each is answered or laid aside, and nobody else notices."""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import aio_pika
import pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from deploy.catalog import service_tables
from shared.contracts.base import Command, Message
from shared.contracts.examples import example
from shared.contracts.notifications import Subscribe
from shared.messaging.client import Client
from shared.messaging.topology import dead_queue
from tests.fuzz.messages import Hostile, hostile
from tests.fuzz.values import INJECTED, OTHER_RECIPIENT, PRODUCT
from tests.support.embedded import SERVICES, Embedded, topologies
from tests.support.running import until

REPLIES = "integrator.fuzz"
SEED = 20261123


@dataclass
class Ends:
    """Where messages ended."""

    replies: Counter[str] = field(default_factory=Counter)
    dead: Counter[bytes] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    inbox: set[str] = field(default_factory=set)

    def lost(self, sent: Sequence[Hostile]) -> list[Hostile]:
        """Those that ended nowhere."""
        return [m for m in sent if not self._ended(m)]

    def _ended(self, message: Hostile) -> bool:
        if message.wants_reply:
            return self.replies[message.name] > 0
        return self.dead[message.body] > 0 or f"{message.queue}:{message.name}" in self.inbox


def commands() -> dict[str, list[type[Command]]]:
    return {name: list(tables.commands) for name, tables in service_tables().items()}


def inputs() -> dict[str, list[type[Message]]]:
    """Queue of events -> the events that it brings."""
    found: dict[str, list[type[Message]]] = {}
    for topology in topologies():
        for event in service_tables()[topology.service].consumes:
            found.setdefault(topology.queue_from(event.service_name), []).append(event)
    return found


@pytest.mark.parametrize(
    "count", [600, pytest.param(10_000, marks=[pytest.mark.faults, pytest.mark.timeout(900)])], ids=str
)
async def test_hostile_messages_are_answered_or_laid_aside_and_others_do_not_notice(system: Embedded, count: int):
    sent = list(hostile(SEED + count, count, commands(), inputs()))
    async with listening(system) as ends, healthy(system) as replies:
        await publish(system, sent)
        lost = await until(lambda: look(system, ends, sent), lambda found: not found, patience=600)
    assert lost == []
    assert len(replies) > 5
    assert all(replies), "a healthy command was refused"
    assert [name for name, times in ends.replies.items() if times > 1] == []
    assert ends.reasons["handler-failed"] == 0
    mails = await system.mails()
    assert not [mail for mail in mails if mail.to == OTHER_RECIPIENT or INJECTED in mail.message]
    assert not [mail for mail in mails if PRODUCT in mail.text + mail.html + mail.subject]
    kinds = Counter(m.kind for m in sent)
    print(f"{count} messages of {len(kinds)} kinds: {sum(ends.replies.values())} answered, {sum(ends.dead.values())}")
    print(f"laid aside {dict(ends.reasons)}, {len(ends.inbox)} carried out; {len(replies)} healthy commands: all ok")


async def look(system: Embedded, ends: Ends, sent: Sequence[Hostile]) -> list[Hostile]:
    """Those that have not ended yet."""
    lost = ends.lost(sent)
    if lost and not any(m.wants_reply for m in lost):
        stores = await system.everything()
        ends.inbox |= {entry["_id"] for store in stores.values() for entry in store["inbox"]}
        lost = ends.lost(sent)
    if lost:
        await asyncio.sleep(0.5)
    return lost


@contextlib.asynccontextmanager
async def listening(system: Embedded) -> AsyncIterator[Ends]:
    """Take replies and dead letters as they come."""
    ends = Ends()

    async def replied(message: AbstractIncomingMessage) -> None:
        ends.replies[message.correlation_id or ""] += 1
        await message.ack()

    async def died(message: AbstractIncomingMessage) -> None:
        ends.dead[message.body] += 1
        ends.reasons[str(message.headers.get("x-rummelig-reason", "by the broker"))] += 1
        await message.ack()

    async with await aio_pika.connect(system.url("operator")) as connection:
        channel = await connection.channel()
        await channel.set_qos(200)
        await (await channel.declare_queue(REPLIES, durable=True)).consume(replied)
        for service in SERVICES:
            await (await channel.get_queue(dead_queue(service))).consume(died)
        yield ends


@contextlib.asynccontextmanager
async def healthy(system: Embedded) -> AsyncIterator[list[bool]]:
    """Send commands of well-behaved people all the time, one after another."""
    replies: list[bool] = []
    enough = asyncio.Event()

    async def send() -> None:
        async with Client(system.url("integrator"), timeout=300) as client:
            for number in itertools.count():
                if enough.is_set():
                    return
                command = example(Subscribe).model_copy(update={"email": f"rask{number}@forening.example"})
                replies.append((await client.send(command)).ok)

    task = asyncio.create_task(send())
    try:
        yield replies
    finally:
        enough.set()
        await task


async def publish(system: Embedded, messages: Sequence[Hostile]) -> None:
    """By a client that sends whatever it is given: as operator what goes into inner queues."""
    by_integrator = [m for m in messages if m.exchange]
    by_operator = [m for m in messages if not m.exchange]
    await asyncio.gather(
        asyncio.to_thread(_publish, system.url("integrator"), "integrator", by_integrator),
        asyncio.to_thread(_publish, system.url("operator"), "operator", by_operator),
    )


def _publish(url: str, user: str, messages: Sequence[Hostile]) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()
    for message in messages:
        channel.basic_publish(
            message.exchange,
            message.routing_key,
            message.body,
            message.basic_properties(REPLIES, user),
            mandatory=True,
        )
    connection.close()
