"""Messages that no client library of ours would send: they must not take the consumers along, nor the operator."""

import asyncio
from typing import Any

import aio_pika
import pika
import pytest
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from shared.contracts.base import Envelope
from shared.messaging.unit import Unit
from tests.messaging.probe import COUNTERS, Add, Added
from tests.support.running import subscriber_of, until

PROPERTIES: dict[str, dict[str, Any]] = {
    "message id that is no UTF-8": {"message_id": b"\xff\xfe"},
    "correlation id that is no UTF-8": {"correlation_id": b"\xff\xfe"},
    "type that is no UTF-8": {"type": b"\xc3\x28"},
    "header name that is no UTF-8": {"headers": {b"\xff": "x"}},
    "header value that is no UTF-8": {"headers": {"x": b"\xff\xfe"}},
    "header that tells tries": {"headers": {"x-rummelig-tries": "many", "x-rummelig-first": -1}},
    "time far away": {"timestamp": 2**62},
    "time further away": {"timestamp": 2**64 - 1},
    "routing key that is no UTF-8": {"routing_key": b"\xff"},
    "priority": {"priority": 255},
    "content that says it is compressed": {"content_encoding": "gzip", "content_type": "image/png"},
}


def publish(url: str, properties: dict[str, Any], body: bytes) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    key = properties.pop("routing_key", "add.v1")
    connection.channel().basic_publish("probe.commands", key, body, pika.BasicProperties(**properties))
    connection.close()


@pytest.mark.parametrize("properties", PROPERTIES.values(), ids=PROPERTIES)
async def test_hostile_properties_leave_the_consumers_in_place(service, broker, client, dead, properties):
    await client.send(Add(counter="a"))
    consuming = subscriber_of(service, "probe.commands")._queue_obj.channel._channel.channel
    for _ in range(3):
        await asyncio.to_thread(publish, broker.url("integrator"), dict(properties), b"{}")
    assert (await client.send(Add(counter="a"))).ok
    found = await until(dead.all, lambda letters: len(letters) >= 3)
    assert {letter.reason for letter in found} == {"unreadable"}
    assert service.reasons() == []
    assert subscriber_of(service, "probe.commands")._queue_obj.channel._channel.channel is consuming


async def test_the_broker_takes_no_message_that_would_fill_a_services_memory(service, broker, client, dead):
    connection = await aio_pika.connect(broker.url("integrator"))
    exchange = await (await connection.channel()).get_exchange("probe.commands", ensure=False)
    await exchange.publish(aio_pika.Message(b" " * 1_000_000), "add.v1")
    with pytest.raises(aio_pika.exceptions.ChannelPreconditionFailed, match="larger than"):
        await exchange.publish(aio_pika.Message(b" " * 1_100_000), "add.v1")
    await connection.close()
    assert (await client.send(Add(counter="a"))).ok
    (letter,) = await until(dead.all)
    assert letter.reason == "unreadable"


async def test_headers_that_a_client_made_up_do_not_keep_dead_letters_from_being_read(broker, clean, dead):
    made_up = {"headers": {"x-rummelig-tries": "many", "x-rummelig-queue": 5, "x-death": "none"}, "expiration": "1"}
    await asyncio.to_thread(publish, broker.url("integrator"), made_up, b"{}")
    (letter,) = await until(dead.all)
    assert letter.tries == 1  # what the broker counted


async def test_nobody_gets_a_forged_event_replayed_by_letting_it_die_with_headers_like_ours(start, broker, dead):
    async with start():
        pass  # declares
    forged = {
        "x-rummelig-queue": "probe.from.probe",
        "x-rummelig-sender": "probe",
        "x-rummelig-reason": "handler-failed",
    }
    died = {"queue": "probe.from.probe", "reason": "rejected", "count": 1}
    body = Envelope(id="m1", source="/probe", type=Added.type(), data={"counter": "forged", "total": 9}).to_json()
    for headers in (forged, {"x-death": [died]}, {**forged, "x-death": [died]}):
        properties = {"headers": headers, "expiration": "1", "user_id": "integrator"}
        await asyncio.to_thread(publish, broker.url("integrator"), properties, body)
    letters = await until(dead.all, lambda found: len(found) == 3)
    assert {(letter.queue, letter.sender, letter.reason) for letter in letters} == {
        ("probe.commands", "integrator", "expired")
    }


async def test_a_message_without_a_user_can_be_replayed_by_an_operator_who_has_looked_at_it(service, broker, dead):
    body = Envelope(id="m1", source="/x", type=Add.type(), data={"counter": "nameless"}).to_json()
    await asyncio.to_thread(publish, broker.url("integrator"), {}, body)
    (letter,) = await until(dead.all)
    assert (letter.reason, letter.sender) == ("forbidden", "")
    assert await dead.replay(lambda found: found.id == letter.id)
    await until(lambda: service.store.get(COUNTERS.collection, "nameless"))


def test_the_same_fields_in_another_order_are_the_same_message():
    first = Envelope(id="1", source="/a", type=Add.type(), data={"a": {"x": 1, "y": [{"p": 1, "q": 2}]}, "b": 0})
    again = Envelope(id="1", source="/a", type=Add.type(), data={"b": 0, "a": {"y": [{"q": 2, "p": 1}], "x": 1}})
    other = Envelope(id="1", source="/a", type=Add.type(), data={"b": 0, "a": {"y": [{"q": 1, "p": 1}], "x": 1}})
    a, b, c = (Unit(envelope, Add, "", "").digest for envelope in (first, again, other))
    assert a == b != c


def test_an_unknown_delivery_mode_is_read_as_persistent():
    strange = ContentHeader(body_size=2, properties=Basic.Properties())
    strange.properties.delivery_mode = 77
    read = ContentHeader()
    read.unmarshal(strange.marshal())
    assert read.properties.delivery_mode == 2
