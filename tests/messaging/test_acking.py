"""What is done is acknowledged in groups, each message once, in whatever order it was done."""

import asyncio
import random

import aio_pika
import pytest

from shared.messaging import acking
from shared.messaging.acking import Acks
from tests.support.running import until

QUEUE = "integrator-acks"
COUNT = 300


@pytest.fixture
async def queue(broker):
    """A queue with so many messages, on a channel of its own. A classic one: a quorum queue under load still has
    acknowledgements to work off when their channel closes, and hands those messages out again.
    """
    async with await aio_pika.connect(broker.url("operator")) as connection:
        channel = await connection.channel()
        found = await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "classic"})
        for number in range(COUNT):
            await channel.default_exchange.publish(aio_pika.Message(str(number).encode()), QUEUE)
        yield found
        await (await connection.channel()).queue_delete(QUEUE)


async def taken(queue, prefetch: int) -> list[aio_pika.abc.AbstractIncomingMessage]:
    """As many as the broker hands out at a time."""
    found: list[aio_pika.abc.AbstractIncomingMessage] = []

    async def take(message) -> None:
        found.append(message)

    await queue.channel.set_qos(prefetch_count=prefetch)
    await queue.consume(take)

    async def all_of_them() -> bool:
        return len(found) == prefetch

    await until(all_of_them)
    return found


async def left(broker) -> int:
    """How many are in the queue once nobody holds any."""
    async with await aio_pika.connect(broker.url("operator")) as connection:
        found = await (await connection.channel()).declare_queue(QUEUE, passive=True)
        return found.declaration_result.message_count or 0


@pytest.mark.parametrize("seed", range(5))
async def test_in_any_order_each_is_told_once(broker, queue, seed: int):
    """The broker closes a channel on which something is acknowledged twice."""
    chance, acks = random.Random(seed), Acks(prefetch=40)
    messages = await taken(queue, COUNT)
    chance.shuffle(messages)
    given_back = messages[: chance.randrange(5)]
    await queue.cancel(messages[0].consumer_tag)
    for message in messages[len(given_back) :]:
        acks.done(QUEUE, message)
        if chance.random() < 0.1:
            await asyncio.sleep(0)
    await asyncio.gather(*(acks.back(QUEUE, message) for message in given_back), acks.flush())
    await queue.channel.declare_queue(QUEUE, passive=True)  # the channel stands, and has worked off what was told
    await queue.channel.close()

    async def rest() -> int:
        return await left(broker)

    await until(rest, lambda found: found == len(given_back))


async def test_one_that_is_still_in_hand_holds_up_none_behind_it(broker, queue):
    acks = Acks(prefetch=COUNT)
    first, *others = await taken(queue, COUNT)
    for message in others:
        acks.done(QUEUE, message)
    await acks.flush()
    await queue.channel.close()

    async def rest() -> int:
        return await left(broker)

    await until(rest, lambda found: found == 1)
    assert first.redelivered is False


async def test_a_few_are_told_without_waiting_for_more(broker, queue):
    acks = Acks(prefetch=1000)
    messages = await taken(queue, 3)
    for message in tuple(messages):
        acks.done(QUEUE, message)

    async def more() -> bool:
        return len(messages) == 6  # the broker hands out three more

    await until(more)


async def test_what_is_done_on_a_channel_that_is_gone_is_nobodys_any_more(broker, queue):
    acks = Acks(prefetch=10)
    messages = await taken(queue, 20)
    acks.done(QUEUE, messages[0])
    await queue.channel.close()
    for message in messages[1:]:
        acks.done(QUEUE, message)
    await acks.back(QUEUE, messages[0])
    await acks.flush()

    async def rest() -> int:
        return await left(broker)

    await until(rest, lambda found: found in {COUNT, COUNT - 1})


async def test_what_was_handed_out_before_is_told_at_once(broker, queue, monkeypatch):
    """A process that dies again and again must get rid of what it has done, or innocents reach the delivery limit."""
    monkeypatch.setattr(acking, "LINGER_SECONDS", 3600.0)
    acks = Acks(prefetch=1000)
    (first,) = await taken(queue, 1)
    await queue.cancel(first.consumer_tag)
    await first.nack(requeue=True)
    again: list[aio_pika.abc.AbstractIncomingMessage] = []

    async def take(message) -> None:
        again.append(message)
        acks.done(QUEUE, message)

    await queue.consume(take)

    async def next_one() -> bool:
        return [message.redelivered for message in again] == [True, False]

    await until(next_one)
