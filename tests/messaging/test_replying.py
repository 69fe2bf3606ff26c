"""Replies that cannot be delivered, or that somebody wants delivered where they do not belong."""

import asyncio
from typing import Any

import pika
import pytest

from shared.contracts.base import Command, Envelope
from tests.messaging.probe import COUNTERS, Add, Fail, Tally
from tests.support.running import until

MALFORMED = "amq.rabbitmq.reply-to.g1h2AA5yZXBseUA0NDg4ODQ3NQAAA0sAAAAAY9nwAg==.nope"
"""A direct reply-to of a node that the broker does not know: RabbitMQ 3.10 breaks the connection (541)."""


def send(url: str, reply_to: str, commands: dict[str, Command]) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()  # a quorum queue in trouble drops what nobody wants confirmed
    for name, command in commands.items():
        body = Envelope(id=name, source="/x", type=command.type(), data=command.model_dump()).to_json()
        properties = pika.BasicProperties(user_id="integrator", reply_to=reply_to)
        channel.basic_publish("probe.commands", command.routing_key(), body, properties)
    connection.close()


async def hostile(broker: Any, reply_to: str, count: int = 40) -> None:
    commands: dict[str, Command] = {f"hostile-{n}": Add(counter=f"hostile-{n}") for n in range(count)}
    await asyncio.to_thread(send, broker.url("integrator"), reply_to, commands)


async def done(service, count: int = 40) -> None:
    async def number() -> int:
        return len([1 async for d in service.store.everything(COUNTERS.collection) if d["_id"].startswith("hostile")])

    await until(number, lambda n: n == count, patience=80)


async def test_a_reply_that_the_broker_breaks_the_connection_for_harms_nobody_else(service, broker, client, dead):
    publishing = await service.publisher.connection()
    await hostile(broker, MALFORMED)
    replies = await asyncio.gather(*(client.send(Add(counter="innocent")) for _ in range(40)))
    assert all(reply.ok for reply in replies)
    await done(service)
    assert await service.publisher.connection() is publishing
    assert await dead.all() == []


async def test_a_queue_that_is_full_for_ever_gets_no_replies_and_holds_up_nobody(start, broker, client, dead):
    connection = pika.BlockingConnection(pika.URLParameters(broker.url("integrator")))
    full = {"x-max-length": 1, "x-overflow": "reject-publish"}
    queue = connection.channel().queue_declare("integrator.full", arguments=full, auto_delete=True)
    async with start(prefetch=5) as service:
        await hostile(broker, queue.method.queue)
        assert (await client.send(Add(counter="innocent"))).ok
        await done(service)
        assert await dead.all() == []
    connection.channel().queue_delete("integrator.full")
    connection.close()


@pytest.mark.parametrize("queue", ["probe.retry.50", "probe.unrouted", "probe.dead", "probe.commands"])
async def test_no_reply_goes_into_a_services_own_queue(service, broker, client, dead, queue):
    channel = await (await service.publisher.connection()).channel()
    before = await channel.declare_queue(queue, passive=True)
    await hostile(broker, queue)
    await done(service)
    assert (await client.send(Fail(label=queue, times=2))).ok  # through both retry tiers
    after = await channel.declare_queue(queue, passive=True)
    assert after.declaration_result.message_count == before.declaration_result.message_count == 0
    assert await dead.all() == []


async def test_who_waits_for_a_reply_gets_it_when_the_dead_letter_is_replayed(service, client, dead):
    sending = asyncio.create_task(client.send(Fail(label="late", times=3)))
    (letter,) = await until(dead.all)
    assert Tally.failures["late"] == 3
    assert await dead.replay(lambda found: found == letter)
    assert (await sending).ok


async def test_an_error_text_that_is_no_unicode_does_not_keep_a_message_in_hand(service, client, monkeypatch, dead):
    Tally.error = "\udcff"
    await client.send(Fail(label="odd", times=2))
    assert Tally.failures["odd"] == 3
