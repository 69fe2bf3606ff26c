"""Watermill's deduplicator suite (message/router/middleware/deduplicator_test.go), its cases by its names.

| case | here |
|---|---|
| TestDeduplicatorMiddleware | as it is, by message id: there the key is a hash of the payload, and two sign-ups that read alike would be one |
| TestDeduplicatorPublisherDecorator | duplicates pass the wire, since a relay that was killed cannot know; the consumer drops them |
| TestMessageHasherAdler32, TestMessageHasherSHA256 | the hash tells a reused id from a repeated message, and has no limit to what it reads |
| TestMessageHasherFromMetadataField | the id is the CloudEvent's own: a message without one is refused |
| TestMapExpiringKeyRepositoryCleanup | what was handled is forgotten after 30 days, and not before |
"""  # noqa: E501 - a table

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from shared.contracts.base import Envelope
from shared.messaging import janitor
from shared.messaging.executor import Executor
from shared.messaging.publisher import Outgoing
from shared.store.work import INBOX
from tests.faults.probing import command, settled
from tests.faults.watermill.notes import EFFECTS, NOTED, message
from tests.faults.watermill.pubsub import PubSub
from tests.messaging.probe import COUNTERS, Add, add
from tests.support.running import until


async def test_deduplicator_middleware(service, operator):
    await asyncio.gather(*(operator.publish(command("first", "a")) for _ in range(6)))
    await asyncio.gather(*(operator.publish(command("second", "a")) for _ in range(2)))
    await settled(service, operator, {"first": "a", "second": "a"})
    assert (await service.store.get(COUNTERS.collection, "a"))["total"] == 2


async def test_deduplicator_publisher_decorator(bus: PubSub):
    group = await bus.group()
    first, second = message(NOTED, 1), message(NOTED, 2)
    for each in [first] * 6 + [second] * 2:
        await bus.publish(each)
    async with group.subscribed() as service:
        await group.all([first, second])
        assert len([1 async for _ in service.store.everything(EFFECTS.collection)]) == 2
    assert len(group.received) == 2


@pytest.mark.parametrize("length", [10, 250])
async def test_message_hasher(service, length):
    executor: Executor = service.executor
    long = Envelope(id="one", source="/test", type=Add.type(), data={"counter": "x" * length, "amount": 1})
    turned = long.model_copy(update={"data": {"amount": 1, "counter": "x" * length}})
    other = long.model_copy(update={"data": {"counter": "x" * (length - 1) + "y", "amount": 1}})
    first = await executor.run(long, Add, add)
    assert (await executor.run(turned, Add, add)).reply == first.reply
    reused = (await executor.run(other, Add, add)).reply
    assert reused.problem is not None
    assert reused.problem.status == 409


async def test_message_hasher_from_metadata_field(service, operator, dead):
    with pytest.raises(ValidationError):
        Envelope(source="/test", type=Add.type(), data={})  # type: ignore[call-arg]
    nameless = b'{"specversion": "1.0", "source": "/test", "type": "%s", "data": {}}' % Add.type().encode()
    await operator.publish(Outgoing("probe.commands", Add.routing_key(), nameless, ""))
    (letter,) = await until(dead.all)
    assert letter.reason == "unreadable"


async def test_map_expiring_key_repository_cleanup(service):
    now = datetime.now(UTC)
    for days in (29, 31):
        entry = {"_id": f"{days} days ago", "reply": "{}", "digest": "", "at": now - timedelta(days=days)}
        await service.store.insert(INBOX, entry)
    forgetting = asyncio.create_task(janitor.forget_old(service.store))

    async def left() -> set[str]:
        return {d["_id"] async for d in service.store.everything(INBOX)}

    await until(left, lambda ids: ids == {"29 days ago"})
    forgetting.cancel()
