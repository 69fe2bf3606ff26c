"""Case 20: a queue is at its length limit and refuses (reject-publish)."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractQueue

from shared.contracts.base import Envelope
from shared.messaging.publisher import Nacked
from tests.faults.probing import NOTHING, command, owing, settled
from tests.messaging.probe import Add, Added
from tests.support.running import until

ROOM = 3
SENT = 6


@pytest.fixture
async def limited(broker, service) -> AsyncIterator[AbstractQueue]:
    """An integrator's queue of the events, with room for three."""
    connection = await aio_pika.connect(broker.url("integrator"))
    channel = await connection.channel()
    limits: dict[str, Any] = {"x-max-length": ROOM, "x-overflow": "reject-publish"}
    queue = await channel.declare_queue(f"integrator.limited.{uuid.uuid4().hex[:8]}", exclusive=True, arguments=limits)
    await queue.bind("probe.events", Added.routing_key())
    yield queue
    await connection.close()


@pytest.mark.usefixtures("quick_looks")
async def test_case_20_an_event_that_a_full_queue_refuses_stays_in_the_outbox_until_there_is_room(
    service, client, operator, limited, told
):
    sent = {f"full-{n}": f"c{n}" for n in range(SENT)}
    for key, counter in sent.items():
        assert (await client.send(Add(counter=counter), id=key)).ok

    async def waiting() -> list[str]:
        return await owing(service)

    stayed = await until(waiting, lambda counters: len(counters) == SENT - ROOM)
    heard: set[str] = set()

    async def drained() -> set[str]:
        while (message := await limited.get(no_ack=True, fail=False)) is not None:
            heard.add(str(Envelope.model_validate_json(message.body).subject))
        return heard

    await until(drained, lambda counters: counters == set(sent.values()))
    account = await settled(service, operator, sent)
    told("case 20", refused=len(stayed), **account.as_dict())
    assert account == NOTHING


async def test_case_20_who_sends_a_command_to_a_full_queue_is_told(start, broker, operator, clean):
    async with start():
        pass  # declares, and leaves nobody who takes messages away
    broker.control("set_policy", "full", r"^probe\.commands$", '{"max-length": 3}', "--apply-to", "queues")
    try:

        async def refused() -> bool:
            try:
                await operator.publish(command(uuid.uuid4().hex, "a"))
            except Nacked:
                return True
            return False

        await until(refused)
    finally:
        broker.control("clear_policy", "full")
