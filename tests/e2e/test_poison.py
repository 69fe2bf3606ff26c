"""Poison in every queue of the running system: laid aside with its reason while others flow; mended, it goes in."""

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from shared.contracts.base import Envelope
from shared.contracts.events import AnnounceEvent
from shared.contracts.examples import example
from shared.contracts.notifications import Subscribe
from shared.contracts.procurement import PublishDemand
from shared.contracts.supplier import RegisterSupplier
from shared.messaging.client import Client
from shared.messaging.deadletters import DeadLetter, DeadLetters
from shared.messaging.publisher import Outgoing, Publisher
from tests.support.embedded import SERVICES, Embedded, topologies
from tests.support.poison import KINDS, poison
from tests.support.running import until

QUEUES = [(t.service, queue) for t in topologies() for queue in t.inputs]
SECONDS = 10.0
"""Until all poison is out of the way; it takes about one."""


@pytest.fixture
async def dead(system: Embedded, operator: Publisher) -> Any:
    """The dead letters of all services; none before the test, none left after it."""
    boxes = {service: DeadLetters(operator, service) for service in SERVICES}
    assert [letter for box in boxes.values() for letter in await box.all()] == []
    yield boxes
    for box in boxes.values():
        await box.drop(lambda _: True)


async def all_of(boxes: dict[str, DeadLetters]) -> list[DeadLetter]:
    return [letter for box in boxes.values() for letter in await box.all()]


async def test_poison_in_every_queue_is_laid_aside_while_others_flow(
    system: Embedded, operator: Publisher, dead: dict[str, DeadLetters]
):
    expected, bad = {}, []
    for service, queue in QUEUES:
        for number in range(KINDS):
            name = str(uuid.uuid4())
            body, reason = list(poison(service, name).values())[number]
            expected[name] = (service, queue, reason)
            bad.append(Outgoing("", queue, body, name))
    assert len(expected) >= 40
    async with Client(system.url("integrator"), timeout=SECONDS) as client:
        healthy = [example(model) for model in (RegisterSupplier, AnnounceEvent, PublishDemand, Subscribe)]
        replies, published = await asyncio.gather(
            asyncio.gather(*(client.send(command) for command in healthy * 5)), operator.publish_many(bad)
        )
    assert published == [None] * len(bad)
    assert {reply.problem.status if reply.problem else 200 for reply in replies} <= {200, 409}  # 409: that CVR again

    async def letters() -> list[DeadLetter]:
        return await all_of(dead)

    found = await until(letters, lambda x: len(x) >= len(expected), patience=SECONDS)
    assert {letter.id: (letter.service, letter.queue, letter.reason) for letter in found} == expected
    assert all(letter.detail and letter.first <= letter.last and letter.tries == 1 for letter in found)


async def test_an_integrators_poison_comes_by_the_front_door(system: Embedded, dead: dict[str, DeadLetters]):
    async with await aio_pika.connect(system.url("integrator")) as connection:
        channel = await connection.channel()
        for service in SERVICES:
            exchange = await channel.get_exchange(f"{service}.commands", ensure=False)
            await exchange.publish(aio_pika.Message(b"{", user_id="integrator"), "anything.v1")

    async def letters() -> list[DeadLetter]:
        return await all_of(dead)

    found = await until(letters, lambda x: len(x) >= len(SERVICES), patience=SECONDS)
    assert {letter.queue for letter in found} == {f"{service}.commands" for service in SERVICES}
    assert {letter.sender for letter in found} == {"integrator"}
    assert all(letter.id for letter in found), "an operator needs a name for each"


async def test_the_operator_finds_shows_mends_and_drops(
    system: Embedded, operator: Publisher, dead: dict[str, DeadLetters], tmp_path: Path
):
    good = example(RegisterSupplier).model_dump(mode="json", exclude_none=True) | {"cvr": "24256790"}
    broken = Envelope(id="broken", source="/e2e", type=RegisterSupplier.type(), data=good | {"cvr": "24256791"})
    await operator.publish(Outgoing("", "supplier.commands", broken.to_json(), "broken"))
    await operator.publish(Outgoing("", "events.commands", b"nonsense \x1b[2J", "nonsense"))

    async def listed() -> dict[str, Any]:
        ran = await system.run("dead", "list", "--json")
        assert ran.returncode == 0, ran.stderr
        return {letter["id"]: letter for letter in map(json.loads, ran.stdout.splitlines())}

    letters = await until(listed, lambda x: len(x) == 2, patience=SECONDS)
    assert {letter["reason"] for letter in letters.values()} == {"invalid", "unreadable"}
    shown = (await system.run("dead", "show", "broken")).stdout
    assert "supplier.commands" in shown
    assert "cvr" in shown

    nonsense = (await system.run("dead", "show", "nonsense")).stdout
    assert "nonsense \\u001b[2J" in nonsense, "a message moves no operator's cursor"

    mended = tmp_path / "mended.json"
    mended.write_text(broken.model_copy(update={"data": good}).to_json().decode())
    ran = await system.run("dead", "replay", "broken", "--file", str(mended))
    assert (ran.returncode, ran.stderr) == (0, "")
    ran = await system.run("dead", "drop", "nonsense", "--why", "a test")
    assert ran.returncode == 0, ran.stderr

    async def registered() -> list[str]:
        return [s["name"] for s in (await system.everything())["supplier"]["suppliers"] if s["cvr"] == "24256790"]

    assert await until(registered) == [good["name"]]
    assert await listed() == {}
    assert (await system.run("dead", "show", "broken")).returncode == 1
