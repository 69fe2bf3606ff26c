"""Watermill's poison-queue suite (message/router/middleware/poison_test.go), its cases by its names.

| case | here |
|---|---|
| TestPoisonQueue_handler_ok, …_handler_failing, …_context_values, …_handler_failing_publisher_failing | as they are; the poison queue is `<service>.dead`, after the tries of the retry tiers |
| TestPoisonQueueWithFilter_poison_queue, …_non_poison_queue | the filter is the kind of error: a refusal that nobody waits for is poison at once, a fault is tried again |
"""  # noqa: E501 - a table

import asyncio
from contextlib import suppress
from typing import Any

import aio_pika

from shared.contracts.base import Envelope
from shared.messaging.publisher import Outgoing
from tests.faults.probing import command
from tests.messaging.probe import COUNTERS, Add, Fail, Tally
from tests.support.running import until


def failing(key: str, times: int) -> Outgoing:
    """A command whose handler fails so many times."""
    envelope = Envelope(id=key, source="/test", type=Fail.type(), data={"label": key, "times": times})
    return Outgoing("probe.commands", Fail.routing_key(), envelope.to_json(), key)


async def test_poison_queue_handler_ok(service, operator, dead):
    for n in range(10):
        await operator.publish(command(f"ok-{n}", "ok"))
    await until(lambda: service.store.get(COUNTERS.collection, "ok"), lambda d: d is not None and d["total"] == 10)
    assert await dead.all() == []


async def test_poison_queue_handler_failing(service, operator, dead):
    sent = failing("poison", times=99)
    await operator.publish(sent)
    (letter,) = await until(dead.all)
    assert letter.body == sent.body
    assert letter.detail == "RuntimeError: failed as told, poison"


async def test_poison_queue_context_values(service, operator, dead):
    await operator.publish(failing("poison", times=99))
    (letter,) = await until(dead.all)
    assert letter.handler == "tests.messaging.probe.fail"
    assert letter.queue == "probe.commands"
    assert letter.type == Fail.type()
    assert letter.reason == "handler-failed"


async def test_poison_queue_handler_failing_publisher_failing(service, broker, operator, dead):
    connection = await aio_pika.connect(broker.url("operator"))
    await (await connection.channel()).queue_delete("probe.dead")
    await operator.publish(failing("poison", times=99))

    async def letters() -> list[Any]:
        with suppress(aio_pika.exceptions.ChannelNotFoundEntity):
            return list(await dead.all())
        return []

    (letter,) = await until(letters)  # it was kept until there was a queue again
    await connection.close()
    assert letter.id == "poison"


async def test_poison_queue_with_filter_poison_queue(service, operator, dead):
    envelope = Envelope(id="refused", source="/test", type=Add.type(), data={"counter": "a", "amount": 13})
    await operator.publish(Outgoing("probe.commands", Add.routing_key(), envelope.to_json(), envelope.id))
    (letter,) = await until(dead.all)
    assert (letter.reason, letter.tries) == ("refused", 1)


async def test_poison_queue_with_filter_non_poison_queue(service, operator, dead):
    await operator.publish(failing("transient", times=2))

    async def tries() -> int:
        return Tally.failures.get("transient", 0)

    await until(tries, lambda n: n == 3)
    await asyncio.sleep(0.2)  # time in which it would become a dead letter
    assert await dead.all() == []
