"""What waits on the broker and mentions a person is taken out; all else stays in its place."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.contracts.base import Envelope
from shared.contracts.events import SignUp
from shared.contracts.examples import example
from shared.messaging.publisher import Outgoing, Publisher
from shared.messaging.topology import Topology
from shared.persons.broker import take_out
from shared.persons.mentions import Literal

ASTA = "asta@forening.example"
QUEUES = ("events.unrouted", "events.retry.300000", "events.dead")


@pytest.fixture
async def operator(broker: Any) -> AsyncIterator[Publisher]:
    publisher = Publisher(broker.url("operator"), "test-operator")
    for name in QUEUES:
        await _purge(publisher, name)
    yield publisher
    for name in QUEUES:
        await _purge(publisher, name)
    await publisher.close()


async def _purge(publisher: Publisher, name: str) -> None:
    async with (await publisher.connection()).channel() as channel:
        await (await channel.get_queue(name)).purge()


async def put(publisher: Publisher, queue: str, email: str, type: str = SignUp.type()) -> str:
    data = example(SignUp).model_dump(mode="json") | {"email": email}
    envelope = Envelope(id=str(uuid.uuid4()), source="/integrator", type=type, data=data)
    await publisher.publish(Outgoing("", queue, envelope.to_json(), envelope.id))
    return envelope.id


async def waiting(publisher: Publisher, name: str) -> list[str]:
    found = []
    async with (await publisher.connection()).channel() as channel:
        queue = await channel.get_queue(name)
        while message := await queue.get(fail=False):
            found.append(message.message_id or "")
    return found


async def test_only_what_mentions_the_person_leaves_the_queues(operator: Publisher):
    assert set(QUEUES) <= {queue.name for queue in Topology("events").queues()}
    left = {}
    for name in QUEUES:
        await put(operator, name, ASTA)
        left[name] = {await put(operator, name, f"x{ASTA}")}
        await put(operator, name, ASTA.upper())
    erasing = await put(operator, QUEUES[1], ASTA, type="dk.rummelig.events.erase-person.v1")
    left[QUEUES[1]].add(erasing)  # it waits to be tried again, and is needed
    taken = await take_out(operator, "events", Literal(ASTA), "erasure 1")
    assert taken == dict.fromkeys(QUEUES, 2)
    for name in QUEUES:
        assert set(await waiting(operator, name)) == left[name]
    assert await take_out(operator, "events", Literal(ASTA), "erasure 1") == {}


async def test_a_service_that_never_ran_has_nothing(operator: Publisher):
    assert await take_out(operator, "weather", Literal(ASTA), "erasure 1") == {}


async def test_bytes_that_are_no_json_are_searched_as_text(operator: Publisher):
    await operator.publish(Outgoing("", "events.dead", b"\xff{" + ASTA.encode(), "m1"))
    assert await take_out(operator, "events", Literal(ASTA), "erasure 1") == {"events.dead": 1}
