"""Events from documents to the broker: also after a crash, without a binding, and again from the log."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import aio_pika
import pytest

from shared.contracts.base import Envelope
from shared.messaging.publisher import Outgoing, Publisher
from shared.messaging.replay import replay
from shared.store.connect import connect
from shared.store.port import PENDING
from shared.store.work import INBOX, OWN_COLLECTIONS
from tests.messaging import probe
from tests.messaging.probe import COUNTERS, SEEN, Add
from tests.support.harness import Harness
from tests.support.running import until


async def total(service, counter: str, expected: int) -> None:
    await until(lambda: service.store.get(SEEN.collection, counter), lambda d: d is not None and d["total"] == expected)


async def test_what_was_relayed_stands_in_no_outbox(service, client):
    await client.send(Add(counter="a"))

    async def document():
        return await service.store.get(COUNTERS.collection, "a")

    found = await until(document, lambda d: PENDING not in d)
    assert found["outbox"] == found["applied"] == []


async def test_the_sweep_sends_what_a_crash_left(start, tmp_path):
    store = connect(f"sqlite:///{tmp_path / 'probe'}.db")
    await store.open([*OWN_COLLECTIONS, COUNTERS.collection, SEEN.collection])
    harness = Harness(probe, [COUNTERS, SEEN], store, None)
    harness.now = datetime.now(UTC) - timedelta(minutes=1)
    harness.relayed = contextlib.nullcontext  # type: ignore[method-assign, assignment] # it died before the relay
    with pytest.raises(TypeError):
        await harness.send(Add(counter="left", amount=3))
    await store.close()
    async with start() as service:
        await total(service, "left", 3)


@pytest.mark.usefixtures("quick_looks")
async def test_an_event_that_no_queue_is_bound_for_comes_when_one_is(service, client, broker):
    connection = await aio_pika.connect(broker.url("operator"))
    channel = await connection.channel()
    underlay = await channel.get_underlay_channel()
    await underlay.queue_unbind("probe.from.probe", "probe.events", "added.v1")
    await client.send(Add(counter="lonely", amount=3))

    async def waiting() -> int:
        queue = await channel.declare_queue("probe.unrouted", passive=True)
        return queue.declaration_result.message_count or 0

    await until(waiting, lambda n: n == 1)
    await underlay.queue_bind("probe.from.probe", "probe.events", "added.v1")
    await total(service, "lonely", 3)
    await until(waiting, lambda n: n == 0)
    await connection.close()


async def test_an_optional_event_needs_nobody(service, client, broker):
    await client.send(Add(counter="a"))
    await total(service, "a", 1)
    connection = await aio_pika.connect(broker.url("operator"))
    queue = await (await connection.channel()).declare_queue("probe.unrouted", passive=True)
    assert queue.declaration_result.message_count == 0
    await connection.close()


async def test_a_replay_fills_an_empty_consumer_and_changes_nothing_in_a_full_one(service, client, operator):
    began = datetime.now(UTC)
    for _ in range(3):
        await client.send(Add(counter="again", amount=2))
    await total(service, "again", 6)
    sent = [e async for e in replay(operator, "probe", since=began, types=["*added*"])]
    assert [e.data["total"] for e in sent] == [2, 4, 6]
    await service.store.delete(SEEN.collection, {"_id": "again"})
    for event in sent:
        await service.store.delete(INBOX, {"_id": f"probe.from.probe:{event.id}"})
    assert len([e async for e in replay(operator, "probe", since=began, types=["*added*"])]) == 3
    await total(service, "again", 6)


async def test_a_replay_for_a_service_that_is_not_there_says_so(service, operator):
    with pytest.raises(Exception, match="nobody"):
        _ = [e async for e in replay(operator, "nobody")]


async def test_a_replay_ends_although_events_keep_coming(service, client, operator):
    began = datetime.now(UTC)
    await client.send(Add(counter="busy"))
    await total(service, "busy", 1)
    stop = asyncio.Event()

    async def keep_busy() -> None:
        while not stop.is_set():
            await client.send(Add(counter="busy"))

    busy = asyncio.create_task(keep_busy())
    async with asyncio.timeout(30):
        sent = [e async for e in replay(operator, "probe", since=began)]
    stop.set()
    await busy
    assert sent


async def test_an_event_that_somebody_else_put_into_the_log_is_not_replayed(service, broker, operator):
    began = datetime.now(UTC)
    event = Envelope(
        id="forged-in-log", source="/probe", type=probe.Added.type(), data={"counter": "forged", "total": 9}
    )
    forger = Publisher(broker.url("supplier"), "forger")
    for key in ("events.log",):
        await forger.publish(Outgoing("", key, event.to_json(), event.id))
    await forger.close()
    assert [e async for e in replay(operator, "probe", since=began)] == []


@pytest.mark.usefixtures("quick_looks")
async def test_what_the_broker_did_not_take_is_sent_although_its_document_is_written_all_the_time(
    service, client, broker, monkeypatch
):
    away, publish_many = True, service.publisher.publish_many

    async def refuse(messages: Any) -> Any:
        return [ConnectionError("pulled the plug") for _ in messages] if away else await publish_many(messages)

    monkeypatch.setattr(service.publisher, "publish_many", refuse)
    connection = await aio_pika.connect(broker.url("integrator"))
    channel = await connection.channel()
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind("probe.events", "added.v1")
    heard: set[int] = set()

    async def hear(message: Any) -> None:
        heard.add(Envelope.model_validate_json(message.body).data["total"])

    await queue.consume(hear, no_ack=True)
    for _ in range(3):
        await client.send(Add(counter="hot"))
    away = False

    async def written_and_heard() -> set[int]:
        await client.send(Add(counter="hot"))
        return heard

    await until(written_and_heard, lambda totals: {1, 2, 3} < totals)
    await connection.close()
