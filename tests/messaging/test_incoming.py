"""Messages reach their consumer as aio-pika brings them, and what waits when a consumer starts is not passed over."""

import asyncio
from typing import Any

import aio_pika
import pytest
from aio_pika import IncomingMessage
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from shared.messaging.incoming import Incoming, consumer
from shared.messaging.subscription import Subscription
from tests.messaging.test_reading import EVERYTHING
from tests.support.running import until

QUEUE = "integrator-waiting"
COUNT = 200


def delivered(properties: Basic.Properties) -> DeliveredMessage:
    """As aiormq makes it, on no channel."""
    header = ContentHeader(body_size=4, properties=properties)
    channel: Any = None
    return DeliveredMessage(Basic.Deliver("tag", 7, True, "probe.events", "added.v1"), header, b"body", channel)


@pytest.mark.parametrize("properties", [EVERYTHING, Basic.Properties()], ids=["all", "none"])
def test_every_field_is_what_aio_pika_makes_of_it(properties: Basic.Properties):
    ours, theirs = Incoming(delivered(properties)), IncomingMessage(delivered(properties))
    assert ours.info() == theirs.info()
    assert (ours.body, ours.redelivered, ours.delivery_tag) == (theirs.body, True, 7)
    assert list(ours.properties) == list(theirs.properties)


async def test_a_callback_may_wait_or_not_and_what_it_raises_is_told():
    async def waits(message: Any) -> Any:
        await asyncio.sleep(0)
        return message.body

    async def fails(_: Any) -> None:
        raise LookupError

    message = delivered(EVERYTHING)
    assert await consumer(waits, message, no_ack=False) == b"body"
    assert await consumer(lambda found: found.message_id, message, no_ack=True) == "m1"
    with pytest.raises(LookupError):
        await consumer(fails, message, no_ack=False)


async def test_what_waits_is_taken_though_the_consumer_has_hardly_begun(broker: Any):
    """FastStream passes over what reaches it before its start has returned; nobody would ever settle that."""
    taken: list[bytes] = []

    async def take(message: Any, _: str) -> None:
        taken.append(message.body)
        await message.ack()

    async def nothing() -> None:
        """The queue is there."""

    async with await aio_pika.connect(broker.url("operator")) as connection:
        channel = await connection.channel()
        await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "classic"})
        bodies = [str(number).encode() for number in range(COUNT)]
        for body in bodies:
            await channel.default_exchange.publish(aio_pika.Message(body), QUEUE)
        subscription = Subscription(
            broker.url("operator"), "t", [QUEUE], take, prefetch=COUNT, shutdown_seconds=5, prepare=nothing
        )
        consuming = asyncio.create_task(subscription.run())

        async def found() -> list[bytes]:
            return taken

        try:
            assert await until(found, lambda all_of_them: len(all_of_them) == COUNT) == bodies
        finally:
            consuming.cancel()
            await asyncio.wait([consuming])
            await channel.queue_delete(QUEUE)
