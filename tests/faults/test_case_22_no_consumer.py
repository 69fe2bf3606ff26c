"""Case 22: the connection stands, but no consumer is registered."""

import asyncio
import time
from typing import Any

import aio_pika
import pytest

from tests.faults.probing import NOTHING, PAGE, Load, paging, ready, settled
from tests.messaging.probe import Add, Tally
from tests.support.running import subscriber_of, until

RECOVERED_SECONDS = 15.0


async def consumers(broker, queue: str) -> int:
    """How many the broker knows."""
    connection = await aio_pika.connect(broker.url("operator"))
    try:
        channel = await connection.channel()
        try:
            found = await channel.declare_queue(queue, passive=True)
        except aio_pika.exceptions.ChannelNotFoundEntity:
            return 0
        return found.declaration_result.consumer_count or 0
    finally:
        await connection.close()


async def recovered(broker, queue: str, since: float) -> float:
    """Seconds from the fault until the broker has a consumer again."""
    await until(lambda: consumers(broker, queue), patience=RECOVERED_SECONDS)
    return time.monotonic() - since


async def delete_queue(broker, _) -> None:
    connection = await aio_pika.connect(broker.url("operator"))
    await (await connection.channel()).queue_delete("probe.from.probe")
    await connection.close()


async def close_connections(broker, _) -> None:
    await asyncio.to_thread(broker.control, "close_all_connections", "as an operator does")


async def close_channel(_, service) -> None:
    """What the broker does to a channel at a fault of its own: the connection stands."""
    for subscriber in service.subscription._broker.subscribers:
        underlay = await subscriber._queue_obj.channel.get_underlay_channel()
        with pytest.raises(aio_pika.exceptions.AMQPError):
            await underlay.queue_declare("there-is-no-such-queue", passive=True)


async def cancel(_, service) -> None:
    """The consumer goes, channel and connection stand."""
    for subscriber in service.subscription._broker.subscribers:
        underlay = await subscriber._queue_obj.channel.get_underlay_channel()
        for tag in list(underlay.consumers):
            await underlay.basic_cancel(tag)


FAULTS = [
    close_connections,
    close_channel,
    pytest.param(cancel, marks=pytest.mark.faults),
    pytest.param(delete_queue, marks=pytest.mark.faults),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_case_22_a_consumer_that_is_gone_is_there_again(service, broker, operator, told, fault: Any):
    async with paging(service) as pages:
        await pages.more(5)
    await settled(service, operator, pages.sent, PAGE)  # what a deleted queue held is gone with it
    await fault(broker, service)
    began = time.monotonic()
    async with paging(service) as more:
        await more.more(5)
        seconds = await recovered(broker, "probe.from.probe", began)
    await ready(service, RECOVERED_SECONDS)
    account = await settled(service, operator, pages.sent | more.sent, PAGE)
    told(f"case 22, {fault.__name__}", recovered_after=round(seconds, 1), **account.as_dict())
    assert account == NOTHING


@pytest.mark.faults
async def test_case_22_a_channel_that_the_broker_closes_since_a_handler_takes_too_long(
    set_broker, start, broker, operator, client, told
):
    """RabbitMQ waits 30 minutes for an acknowledgement and looks every minute; here two seconds, and every half.

    A channel gets the first when it is opened, so whatever was open before goes on.
    """
    await asyncio.to_thread(set_broker, "consumer_timeout", 2000)
    await asyncio.to_thread(set_broker, "channel_tick_interval", 500)
    Tally.gate = asyncio.Event()
    async with start() as service:
        load = Load(broker.url("integrator"), 1, 5)
        await load.send()
        underlay = await subscriber_of(service, "probe.commands")._queue_obj.channel.get_underlay_channel()
        async with asyncio.timeout(30):
            await asyncio.wait([underlay.closing])
        closed = time.monotonic()
        assert "acknowledgement" in str(underlay.closing.exception())
        Tally.gate.set()
        assert (await client.send(Add(counter="a"))).ok  # first: the broker counts the old consumer for a moment more
        seconds = await recovered(broker, "probe.commands", closed)
        account = await settled(service, operator, load.sent)
    told("case 22, ack timeout", recovered_after=round(seconds, 1), lost=account.lost, stuck=account.stuck)
    assert (account.lost, account.stuck) == (0, 0)
    assert seconds <= RECOVERED_SECONDS
