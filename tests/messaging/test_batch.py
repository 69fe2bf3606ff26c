"""Many messages in one write: each has its own outcome, whatever becomes of those beside it."""

import asyncio
import struct
from datetime import UTC, datetime
from typing import Any

import aio_pika
import pytest
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from shared.messaging.batch import Lane
from shared.messaging.framing import framed, short
from shared.messaging.publisher import PIECE, Nacked, Outgoing, Publisher, Unconfirmed, Unroutable
from tests.messaging.test_network import tap  # noqa: F401 - a fixture
from tests.support.running import until

QUEUE = "integrator.batch"


@pytest.fixture
async def queue(broker):
    connection = await aio_pika.connect(broker.url("operator"))
    channel = await connection.channel()
    found = await channel.declare_queue(QUEUE, auto_delete=False)
    await found.purge()
    yield found
    await found.delete(if_unused=False, if_empty=False)
    await connection.close()


def message(name: str, body: bytes = b"{}", **more: Any) -> Outgoing:
    return Outgoing("", QUEUE, body, name, **more)


async def brought(queue: Any) -> list[Any]:
    found = []
    while (one := await queue.get(no_ack=True, fail=False)) is not None:
        found.append(one)
    return found


async def underlay(publisher: Publisher) -> Channel:
    await publisher.connection()
    assert publisher._channel is not None
    channel = await publisher._channel.get_underlay_channel()
    assert isinstance(channel, Channel)
    return channel


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 1000])
@pytest.mark.parametrize(
    "more",
    [{}, {"headers": {"x": "é", "n": 3}, "correlation_id": "c" * 255, "reply_to": "r"}, {"mandatory": False}],
)
def test_frames_are_what_pamqp_would_have_written(size, more):
    outgoing = Outgoing("probe.events", "ærø.v1", b"x" * size, "m1", **more)
    properties = Basic.Properties(
        content_type=outgoing.content_type,
        headers=outgoing.headers or None,
        delivery_mode=2,
        correlation_id=outgoing.correlation_id,
        reply_to=outgoing.reply_to,
        message_id="m1",
        user_id="probe",
    )
    expected: list[Any] = [
        Basic.Publish(exchange="probe.events", routing_key="ærø.v1", mandatory=outgoing.mandatory),
        ContentHeader(body_size=size, properties=properties),
        *(ContentBody(outgoing.body[start : start + 100]) for start in range(0, size, 100)),
    ]
    assert b"".join(framed(outgoing, "m1", short("probe"), 7, 100)) == b"".join(frame.marshal(e, 7) for e in expected)


def test_a_broker_that_sets_no_limit_gets_a_body_in_one_frame():
    framed_at_once = framed(message("m1", b"x" * 1000), "m1", short("probe"), 7, 1000)
    assert framed(message("m1", b"x" * 1000), "m1", short("probe"), 7, 0 - Channel.CONTENT_FRAME_SIZE) == framed_at_once


async def test_aiormq_is_as_a_lane_needs_it(operator, queue):
    """Fails where a new aiormq keeps other books than `shared.messaging.batch` writes into."""
    channel = await underlay(operator)
    assert (channel.delivery_tag, channel.confirmations, channel.message_id_delivery_tag) == (0, {}, {})
    publishing = asyncio.create_task(
        channel.basic_publish(b"", routing_key=QUEUE, properties=Basic.Properties(message_id="m1"))
    )
    while not channel.confirmations:
        await asyncio.sleep(0)  # the broker's word takes longer than a turn of the loop
    assert (channel.delivery_tag, set(channel.confirmations), channel.message_id_delivery_tag) == (1, {1}, {"m1": 1})
    await publishing
    await operator.publish(message("m2"))
    assert (channel.delivery_tag, channel.confirmations, channel.message_id_delivery_tag) == (2, {}, {})
    assert isinstance(channel.write_queue, asyncio.Queue)
    assert channel.connection.connection_tune.frame_max > channel.max_content_size > 4000
    closing = channel.closing
    await operator.close()
    assert closing.done()
    assert [each.message_id for each in await brought(queue)] == ["m1", "m2"]


async def _now[T](value: T) -> T:
    return value


async def test_all_that_is_asked_for_at_once_is_written_at_once(operator, queue, monkeypatch):
    await operator.connection()
    written: list[int] = []
    write = Lane.write

    async def noted(lane: Lane, batch: Any) -> None:
        written.append(len(batch))
        await write(lane, batch)

    monkeypatch.setattr(Lane, "write", noted)
    many = [message(f"m{n}") for n in range(50)]
    outcomes, *_ = await asyncio.gather(
        operator.publish_many(many), *(operator.publish(message(f"s{n}")) for n in range(50))
    )
    assert (outcomes, written) == ([None] * 50, [100])
    assert [each.message_id for each in await brought(queue)] == [f"{kind}{n}" for kind in "ms" for n in range(50)]


async def test_each_has_the_outcome_of_its_own(operator, queue):
    found = await operator.publish_many(
        [
            message("a"),
            Outgoing("", "nobody", b"{}", "b"),
            message("c", headers={"of no kind": object()}),
            Outgoing("", "nobody", b"{}", "d", mandatory=False),
            message("e" * 256),
            message(""),
        ]
    )
    assert [type(each) for each in found] == [type(None), Unroutable, TypeError, type(None), ValueError, type(None)]
    assert [each.message_id for each in await brought(queue)][:1] == ["a"]
    assert await operator.publish_many([]) == []


@pytest.mark.parametrize("odd", [1e300, datetime(1900, 1, 1, tzinfo=UTC)])
async def test_whatever_cannot_be_written_befalls_no_other(operator, queue, odd):
    channel = await underlay(operator)
    found = await operator.publish_many([message("a"), message("b", headers={"x": odd}), message("c")])
    assert (found[0], found[2]) == (None, None)
    assert isinstance(found[1], OverflowError | struct.error)
    assert await underlay(operator) is channel


async def test_bodies_of_any_size_arrive(operator, queue):
    most = (await underlay(operator)).max_content_size
    sizes = [0, 1, most - 1, most, most + 1, 2 * most, 3 * most + 1, PIECE, PIECE + 1]
    assert not any(await operator.publish_many([message(f"{n}", b"x" * n) for n in sizes]))
    assert [len(each.body) for each in await brought(queue)] == sizes


async def test_the_same_id_at_the_same_time_has_two_outcomes(operator, queue):
    twice = [Outgoing("", "nobody", b"{}", "m1"), message("m1"), Outgoing("", "nobody", b"{}", "m1"), message("m1")]
    found = await operator.publish_many(twice)
    assert [type(each) for each in found] == [Unroutable, type(None), Unroutable, type(None)]
    assert len(await brought(queue)) == 2


async def test_a_queue_that_is_full_refuses_what_it_has_no_room_for(operator, broker):
    connection = await aio_pika.connect(broker.url("operator"))
    channel = await connection.channel()
    limits: dict[str, Any] = {"x-max-length": 2, "x-overflow": "reject-publish"}
    full = await channel.declare_queue("integrator.batch.full", exclusive=True, arguments=limits)
    found = await operator.publish_many([Outgoing("", full.name, b"{}", f"m{n}") for n in range(5)])
    assert [type(each) for each in found] == [type(None)] * 2 + [Nacked] * 3
    await connection.close()


async def test_a_channel_that_the_broker_closes_leaves_what_is_under_way_unconfirmed(operator, queue):
    found = await operator.publish_many([message("a"), Outgoing("no.such.exchange", "x", b"{}", "b"), message("c")])
    assert isinstance(found[1], Unconfirmed)
    assert isinstance(found[1].__cause__, aio_pika.exceptions.ChannelNotFoundEntity)
    assert isinstance(found[2], Unconfirmed)
    await operator.publish(message("d"))


async def test_a_connection_that_breaks_leaves_what_is_under_way_unconfirmed(tap, queue):  # noqa: F811
    publisher = Publisher(tap.url, "cut")
    await publisher.connection()
    tap.freeze()
    publishing = asyncio.create_task(publisher.publish_many([message(f"m{n}") for n in range(10)]))
    await until(lambda: _now(tap.held))
    tap.cut()
    assert {type(each) for each in await publishing} == {Unconfirmed}
    tap.thaw()
    assert await publisher.publish_many([message("m1")]) == [None]
    await publisher.close()


async def test_what_is_late_is_unconfirmed_and_may_be_sent_again(tap, queue):  # noqa: F811
    publisher = Publisher(tap.url, "late", timeout=0.2)
    await publisher.connection()
    tap.freeze()
    for _ in range(2):
        found = await publisher.publish_many([message("m1"), message("m1"), message("m2")])
        assert [type(each) for each in found] == [Unconfirmed] * 3
    publisher._timeout = 20
    again = asyncio.create_task(publisher.publish_many([message("m1"), message("m2")]))
    tap.thaw()
    assert await again == [None, None]
    assert {each.message_id for each in await brought(queue)} == {"m1", "m2"}
    assert not (await underlay(publisher)).confirmations
    await publisher.close()


async def test_what_nobody_waits_for_any_more_is_neither_kept_nor_written(tap, queue):  # noqa: F811
    publisher = Publisher(tap.url, "stuck", timeout=0.3)
    await publisher.connection()
    tap.freeze()
    body = b"x" * PIECE
    for time in range(12):  # more than the sockets on the way hold
        names = [f"{time}-{n}" for n in range(8)]
        found = await publisher.publish_many([message(name, body) for name in names])
        assert {type(each) for each in found} == {Unconfirmed}
    assert not publisher._asked
    assert not publisher._ids
    assert len((await underlay(publisher)).confirmations) < 48, "a socket that is full takes no more"
    await publisher.close()


async def test_who_is_cancelled_leaves_no_trace_and_the_next_of_the_same_id_goes(tap, queue):  # noqa: F811
    publisher = Publisher(tap.url, "cancelled")
    await publisher.connection()
    tap.freeze()
    first, second = (asyncio.create_task(publisher.publish(message("m1"))) for _ in range(2))
    await until(lambda: _now(tap.held))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    tap.thaw()
    await second
    assert not publisher._ids
    await publisher.close()


async def test_closing_leaves_what_is_under_way_unconfirmed(tap, queue):  # noqa: F811
    publisher = Publisher(tap.url, "closing")
    await publisher.connection()
    tap.freeze()
    publishing = asyncio.create_task(publisher.publish_many([message("m1"), message("m1"), message("m2")]))
    await until(lambda: _now(tap.held))
    await publisher.close()
    assert {type(each) for each in await publishing} == {Unconfirmed}
    assert not publisher.connected


async def test_who_asks_while_it_closes_is_told_at_once_and_may_ask_again(operator, queue):
    await operator.connection()
    asking = asyncio.create_task(operator.publish(message("m1")))
    await asyncio.sleep(0)  # asked, and nothing is written yet
    async with asyncio.timeout(operator._timeout / 2):
        await operator.close()
        with pytest.raises(Unconfirmed):
            await asking
        await operator.publish(message("m2"))
    assert [each.message_id for each in await brought(queue)] == ["m2"]


async def test_closing_while_the_socket_is_stuck_leaves_no_task_behind(tap, queue):  # noqa: F811
    publisher = Publisher(tap.url, "stuck")
    channel = await underlay(publisher)
    tap.freeze()
    stuck = channel.loop.create_future()
    channel.write_queue.put_nowait(ChannelFrame(Heartbeat().marshal() * 2_000_000, False, stuck))
    await until(lambda: _now(channel.write_queue.empty()))
    while not channel.write_queue.full():
        channel.write_queue.put_nowait(ChannelFrame(Heartbeat().marshal(), False))
    publishing = asyncio.create_task(publisher.publish(message("m1")))
    await until(lambda: _now(putting()))
    await publisher.close()
    with pytest.raises(Unconfirmed):
        await publishing
    assert not putting()


def putting() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__qualname__", "") == "Queue.put"]
