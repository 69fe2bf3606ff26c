"""What is asked now and then is asked on one channel, which ends only where it must."""

import gc
from collections.abc import AsyncIterator

import pytest
from aio_pika.exceptions import ChannelNotFoundEntity
from aio_pika.tools import OneShotCallback

from shared.messaging.deadcount import _count
from shared.messaging.kept import KeptChannel
from shared.messaging.publisher import Outgoing, Publisher


@pytest.fixture
async def publisher(broker) -> AsyncIterator[Publisher]:
    publisher = Publisher(broker.url("operator"), "test-kept")
    yield publisher
    await publisher.close()


async def test_looks_leave_nothing_behind(publisher: Publisher):
    kept = KeptChannel(publisher.connection)
    await _count(kept, "procurement.dead")
    before = channels_known()
    for _ in range(30):
        await _count(kept, "procurement.dead")
    assert channels_known() == before


def channels_known() -> int:
    """Each channel has one, and aio-pika keeps it as long as the connection."""
    gc.collect()
    return sum(isinstance(each, OneShotCallback) for each in gc.get_objects())


async def test_one_that_the_broker_ended_is_opened_anew(publisher: Publisher):
    kept = KeptChannel(publisher.connection)
    async with kept.use() as first:
        pass
    with pytest.raises(ChannelNotFoundEntity):
        async with kept.use() as same:
            await same.declare_queue("no.such.queue", passive=True)
    assert same is first
    async with kept.use() as other:
        assert not other.is_closed
    assert other is not first


async def test_another_connection_is_followed(publisher: Publisher):
    kept = KeptChannel(publisher.connection)
    async with kept.use() as first:
        pass
    await publisher.close()
    async with kept.use() as second:
        assert not second.is_closed
    assert first is not second


async def test_what_it_had_in_hand_when_something_failed_goes_back(publisher: Publisher):
    async with KeptChannel(publisher.connection).use() as own:
        queue = await own.declare_queue(exclusive=True)
        await publisher.publish(Outgoing("", queue.name, b"{}", "m1"))
        kept = KeptChannel(publisher.connection)
        with pytest.raises(RuntimeError):
            await fail_with_one_in_hand(kept, queue.name)
        again = await queue.get(timeout=5)
        assert again.redelivered


async def fail_with_one_in_hand(kept: KeptChannel, queue: str) -> None:
    async with kept.use() as channel:
        assert await (await channel.declare_queue(queue, passive=True)).get(fail=False)
        raise RuntimeError
