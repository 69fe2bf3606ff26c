"""The embedded RabbitMQ node, as the fixture `broker` has it."""

import asyncio

import aio_pika

from tests.support.broker import Broker


async def test_users_log_in_and_see_the_topology(broker: Broker) -> None:
    for user in ("operator", "integrator", "supplier"):
        connection = await aio_pika.connect(broker.url(user))
        async with connection, connection.channel() as channel:
            assert await channel.get_exchange("supplier.events") is not None


async def test_a_killed_broker_comes_back_with_what_it_confirmed(broker: Broker) -> None:
    connection = await aio_pika.connect(broker.url("operator"))
    async with connection, connection.channel() as channel:
        queue = await channel.declare_queue("local-test", durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(b"kept", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, routing_key=queue.name)

    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.start)

    connection = await aio_pika.connect(broker.url("operator"))
    async with connection, connection.channel() as channel:
        queue = await channel.get_queue("local-test")
        got = await queue.get(timeout=30)
        assert got is not None
        assert got.body == b"kept"
        await queue.delete(if_unused=False, if_empty=False)
