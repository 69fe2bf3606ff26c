"""Watermill's universal publish/subscribe suite (pubsub/tests/test_pubsub.go), its cases by its names, on our plumbing.

| case | here |
|---|---|
| TestPublishSubscribe, TestConcurrentSubscribe, TestConcurrentSubscribeMultipleTopics, TestResendOnError, TestNoAck, TestContinueAfterSubscribeClose, TestContinueAfterErrors, TestConcurrentClose, TestPublisherClose, TestTopic, TestSubscribeCtx, TestConsumerGroups | as they are |
| TestPublishSubscribeInOrder | with one subscriber: several of one queue take turns, and there the aggregate's version tells old from new |
| TestMessageCtx | a context is not cancelled by an acknowledgement, as in Go: what is bound to it (ids, for the log) is the message's own, and is gone after it; a subscriber that closes brings its message again |
| TestNewSubscriberReceivesOldMessages | a new group is filled from the log of all events by a replay, since a queue has only what came after it was bound |
| TestReconnect | tests/faults/test_case_01_broker_restarts.py, with the same numbers |
| TestPubSubStressTest | not: it is the suite twenty times side by side; the load comes from `./rummelig chaos` |

Messages received twice count once, as there for what is delivered at least once; effects are counted in the store.
"""  # noqa: E501 - a table

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.contextvars import bound_contextvars, get_contextvars

from shared.messaging.publisher import Publisher
from shared.messaging.replay import replay
from tests.faults.watermill.notes import EFFECTS, NOTED, TOPICS, Note, message
from tests.faults.watermill.pubsub import Group, PubSub
from tests.support.running import until

FULL = [pytest.mark.faults, pytest.mark.timeout(300)]


def sizes(names: str, quick: tuple[int, ...], full: tuple[int, ...]) -> pytest.MarkDecorator:
    """A few for every day, and the suite's own numbers."""
    return pytest.mark.parametrize(
        names.split(), [pytest.param(*quick, id="quick"), pytest.param(*full, id="full", marks=FULL)]
    )


async def effects(service: Any) -> int:
    return len([1 async for _ in service.store.everything(EFFECTS.collection)])


async def test_publish_subscribe(bus: PubSub):
    group = await bus.group()
    sent = [message(NOTED, n, text=f"payload {n}", correlationid=f"metadata {n}") for n in range(100)]
    await bus.publish(*sent)
    async with group.subscribed() as service:
        await group.all(sent)
        assert await effects(service) == 100
    received = {each.id: each for each in group.received}
    assert [received[each.id].data for each in sent] == [each.data for each in sent]
    assert [received[each.id].correlationid for each in sent] == [each.correlationid for each in sent]
    late = message(NOTED, 100)
    await bus.publish(late)
    assert late.id not in {each.id for each in group.received}  # closed


@sizes("count subscribers", (100, 10), (5000, 50))
async def test_concurrent_subscribe(bus: PubSub, count, subscribers):
    group = await bus.group()
    sent = [message(NOTED, n) for n in range(count)]
    await bus.publish(*sent)
    async with group.multiplied(subscribers) as service:
        await group.all(sent)
        assert await effects(service) == count


@sizes("count topics", (20, 5), (100, 20))
async def test_concurrent_subscribe_multiple_topics(bus: PubSub, count, topics):
    async def one(topic: type[Note]) -> None:
        group = await bus.group([topic])
        sent = [message(topic, n) for n in range(count)]
        await bus.publish(*sent)
        async with group.subscribed() as service:
            await group.all(sent)
            assert await effects(service) == count

    await asyncio.gather(*(one(topic) for topic in TOPICS[:topics]))


async def test_resend_on_error(bus: PubSub):
    group = await bus.group()
    errors = iter(range(2))

    async def twice(_: Note, __: Any) -> None:
        for n in errors:
            raise RuntimeError(f"error {n}")

    group.before = twice
    sent = [message(NOTED, n) for n in range(100)]
    await bus.publish(*sent)
    async with group.subscribed():
        await group.all(sent)


async def test_no_ack(bus: PubSub):
    group = await bus.group()
    gate, begun = asyncio.Event(), []

    async def wait(note: Note, _: Any) -> None:
        begun.append(note.number)
        await gate.wait()

    group.before = wait
    sent = [message(NOTED, n) for n in range(2)]
    await bus.publish(*sent)

    async def taken() -> list[int]:
        return begun

    async with group.subscribed(prefetch=1):
        await until(taken)
        await asyncio.sleep(0.1)  # time in which the second would come
        assert begun == [0]
        gate.set()
        await group.all(sent)
        await asyncio.sleep(0.05)  # time in which one would come again
        assert begun == [0, 1]


@sizes("count batches", (50, 2), (5000, 5))
async def test_continue_after_subscribe_close(bus: PubSub, count, batches):
    group = await bus.group()
    sent = [message(NOTED, n) for n in range(count)]
    await bus.publish(*sent)

    async def received() -> int:
        return len(group.received)

    for batch in range(1, batches + 1):
        async with group.subscribed(prefetch=10):
            await until(received, lambda n, enough=count * batch // batches: n >= enough, patience=60)  # type: ignore[misc]
    await group.all(sent)
    assert len(group.received) == count  # closing interrupts nobody, so that none came twice


async def test_concurrent_close(bus: PubSub):
    group = await bus.group()

    async def open_and_close() -> None:
        async with group.subscribed():
            pass

    await asyncio.gather(*(open_and_close() for _ in range(10)))
    publisher = bus.publisher()
    sent = [message(NOTED, n) for n in range(50)]
    await bus.publish(*sent, publisher=publisher)
    await publisher.close()
    async with group.subscribed():
        await group.all(sent)


@sizes("subscribers errors", (1, 5), (3, 100))
async def test_continue_after_errors(bus: PubSub, subscribers, errors):
    group = await bus.group()
    raised: list[int] = []

    async def fail(note: Note, _: Any) -> None:
        if len(raised) < errors * subscribers:
            raised.append(note.number)
            raise RuntimeError("an error")

    async def failed() -> int:
        return len(raised)

    group.before = fail
    sent = [message(NOTED, n) for n in range(50)]
    await bus.publish(*sent)
    for number in range(1, subscribers + 1):
        async with group.subscribed(prefetch=5):
            await until(failed, lambda n, enough=errors * number: n >= enough)  # type: ignore[misc]
    async with group.subscribed():
        await group.all(sent)


@sizes("count", (100,), (1000,))
async def test_publish_subscribe_in_order(bus: PubSub, count):
    group = await bus.group()
    sent = [message(NOTED, n, thing=f"thing-{n % 16}") for n in range(count)]
    await bus.publish(*sent)
    async with group.subscribed():
        await group.all(sent)
    for thing in {each.subject for each in sent}:
        assert [e.id for e in group.received if e.subject == thing] == [e.id for e in sent if e.subject == thing]


@sizes("count", (100,), (10_000,))
async def test_publisher_close(bus: PubSub, count):
    group = await bus.group()
    publisher = bus.publisher()
    sent = [message(NOTED, n) for n in range(count)]
    await asyncio.gather(*(_one_by_one(bus, sent[n::20], publisher) for n in range(20)))
    await publisher.close()
    async with group.subscribed() as service:
        await group.all(sent)
        assert await effects(service) == count


async def _one_by_one(bus: PubSub, messages: Any, publisher: Publisher) -> None:
    for each in messages:
        await bus.publish(each, publisher=publisher)


async def test_topic(bus: PubSub):
    groups: list[Group] = [await bus.group([topic]) for topic in TOPICS[:2]]
    sent = [message(topic, n) for n, topic in enumerate(TOPICS[:2])]
    await bus.publish(*sent)
    for group, each in zip(groups, sent, strict=True):
        async with group.subscribed():
            await group.all([each])


async def test_message_ctx(bus: PubSub):
    group = await bus.group()
    seen: list[dict[str, Any]] = []
    gate = asyncio.Event()

    async def look(note: Note, _: Any) -> None:
        seen.append(get_contextvars())
        if note.number == 1:
            await gate.wait()

    group.before = look
    with bound_contextvars(publishers="own"):
        sent = [message(NOTED, n) for n in range(2)]
        await bus.publish(*sent)

    async def begun() -> int:
        return len(seen)

    async with group.subscribed(prefetch=1) as service:
        await until(begun, lambda n: n == 2)
        service.subscription._shutdown_seconds = 0  # it closes although the handler is not at its end
    async with group.subscribed():
        await until(begun, lambda n: n == 3)
        gate.set()
        await group.all(sent)
    assert [each["message_id"] for each in seen] == [sent[0].id, sent[1].id, sent[1].id]
    assert not any("publishers" in each for each in seen)


async def test_subscribe_ctx(bus: PubSub):
    group = await bus.group()
    sent = [message(NOTED, n) for n in range(20)]
    await bus.publish(*sent)

    async def subscribe() -> None:
        async with group.subscribed():
            await asyncio.Event().wait()

    subscribing = asyncio.create_task(subscribe())
    await asyncio.sleep(0)
    subscribing.cancel()
    await asyncio.wait([subscribing])
    assert subscribing.cancelled()
    async with group.subscribed():
        await group.all(sent)


async def test_consumer_groups(bus: PubSub):
    groups = [await bus.group() for _ in range(2)]
    sent = [message(NOTED, n) for n in range(50)]
    await bus.publish(*sent)
    for group in groups:
        async with group.subscribed():
            await group.all(sent)


async def test_new_subscriber_receives_old_messages(bus: PubSub):
    began = datetime.now(UTC)
    publisher = bus.publisher()
    first = await bus.group()  # somebody has to hear it
    sent = [message(NOTED, 0)]
    await bus.publish(*sent)
    groups = [first]
    for number in range(1, 4):
        sent.append(message(NOTED, number))
        await bus.publish(sent[-1])
        group = await bus.group()
        groups.append(group)
        assert [e async for e in replay(publisher, group.name, since=began, types=["*.notes.*"])]
        for each in groups:
            async with each.subscribed():
                await each.all(sent)
    await publisher.close()
    assert all(len(each.received) == len(sent) for each in groups)
