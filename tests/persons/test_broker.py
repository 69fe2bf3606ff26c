"""What waits on the broker and mentions a person is taken out; all else stays in its place."""

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.contracts.base import Envelope, Message
from shared.contracts.events import AnnounceEvent, ErasePerson, SignUp
from shared.contracts.examples import example
from shared.messaging.publisher import Outgoing, Publisher
from shared.messaging.topology import Topology
from shared.persons.broker import is_about, take_out
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


@pytest.mark.parametrize(
    ("model", "fields", "about"),
    [
        (SignUp, {"email": ASTA.upper()}, True),
        (SignUp, {"email": "bo@forening.example", "name": ASTA}, False),
        (AnnounceEvent, {"description": f"Ask {ASTA}"}, False),
        (ErasePerson, {"email": ASTA}, False),
    ],
)
def test_what_only_mentions_the_person_is_somebody_elses(model: type[Message], fields: dict[str, str], about: bool):
    data = example(model).model_dump(mode="json") | fields
    envelope = Envelope(id="m1", source="/integrator", type=model.type(), data=data)
    assert is_about(Literal(ASTA), envelope.to_json()) is about


def test_what_nobody_can_read_is_about_the_person_if_it_mentions_him():
    assert is_about(Literal(ASTA), json.dumps({"to": ASTA}).encode())
    assert not is_about(Literal(ASTA), b"\xff{")
