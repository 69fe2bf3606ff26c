"""Case 10: poison among healthy traffic is laid aside at once, and the healthy hardly notice."""

import asyncio
import itertools
import statistics
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from shared.contracts.examples import example
from shared.contracts.procurement import PublishDemand
from shared.messaging.client import Client
from shared.messaging.consumer import Consumer
from shared.messaging.deadletters import DeadLetter, DeadLetters
from shared.messaging.publisher import Outgoing, Publisher
from tests.support.embedded import Embedded, embedded
from tests.support.poison import KINDS, poison
from tests.support.running import until

SERVICE = "procurement"
ROUNDS, EACH = 5, 200
"""With and without poison by turns, so that what else the machine does meanwhile counts for both."""
POISON_PAUSE = 0.1
"""Seconds between two poison messages; every fifth has a megabyte."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    with embedded(tmp_path_factory.mktemp("system")) as running:
        yield running


@pytest.mark.faults
@pytest.mark.timeout(300)
async def test_case_10_poison_is_laid_aside_at_once_and_the_healthy_hardly_notice(system: Embedded, told: Any):
    operator, other = (Publisher(system.url("operator"), name) for name in ("poison", "look"))
    reasons: dict[str, str] = {}
    calm: list[float] = []
    poisoned: list[float] = []
    before = (await system.consumed()).get(f"{SERVICE}.commands", 0)
    async with Client(system.url("integrator"), timeout=30) as client:
        await healthy(client, EACH)  # warm
        for _ in range(ROUNDS):
            calm += await healthy(client, EACH)
            spoiling = asyncio.create_task(spoil(operator, reasons))
            poisoned += await healthy(client, EACH)
            spoiling.cancel()
            await asyncio.wait([spoiling])
    box = DeadLetters(other, SERVICE)

    async def letters() -> list[DeadLetter]:
        return await box.all()

    found = await until(letters, lambda seen: len(seen) >= len(reasons))
    handled = (await system.consumed())[f"{SERVICE}.commands"] - before
    deliveries = handled - (2 * ROUNDS + 1) * EACH
    ratio = p99(poisoned) / p99(calm)
    told(
        "case 10",
        poison=len(reasons),
        deliveries=deliveries,
        p99_calm_ms=round(p99(calm) * 1000, 1),
        p99_poisoned_ms=round(p99(poisoned) * 1000, 1),
        ratio=round(ratio, 2),
    )
    assert {letter.id: letter.reason for letter in found} == reasons
    assert deliveries == len(reasons), "each poison message is handled once: not one redelivery"
    assert ratio <= 2
    await box.drop(lambda _: True, "a test")
    await operator.close()
    await other.close()


async def healthy(client: Client, count: int) -> list[float]:
    """Seconds that each of so many commands took to its reply."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        reply = await client.send(example(PublishDemand))
        took.append(time.perf_counter() - began)
        assert reply.ok
    return took


async def spoil(operator: Publisher, reasons: dict[str, str]) -> None:
    """Send every kind of poison by turns, without end; notes id and expected reason of each before it is sent."""
    for number in itertools.count():
        name = str(uuid.uuid4())
        body, reason = list(poison(SERVICE, name).values())[number % KINDS]
        reasons[name] = reason
        sending = asyncio.ensure_future(operator.publish(Outgoing("", f"{SERVICE}.commands", body, name)))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            await sending
            raise
        await asyncio.sleep(POISON_PAUSE)


def p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98]


async def test_case_10_a_service_takes_each_poison_message_once(start, operator, dead, monkeypatch):
    taken: Counter[str] = Counter()
    take = Consumer.take

    async def counted(self: Consumer, raw: Any, queue: str) -> None:
        taken[raw.message_id] += 1
        await take(self, raw, queue)

    monkeypatch.setattr(Consumer, "take", counted)
    names = [f"p{n}" for n in range(4 * KINDS)]
    async with start():
        for n, name in enumerate(names):
            body, _ = list(poison("probe", name).values())[n % KINDS]
            await operator.publish(Outgoing("", "probe.commands", body, name))
        await until(dead.all, lambda found: len(found) >= len(names))
    assert taken == Counter(names)
