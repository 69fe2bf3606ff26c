"""The probe service on the session's broker, with a client beside it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from shared import service as service_module
from shared.messaging import relay, unrouted
from shared.messaging.client import Client
from shared.messaging.deadletters import DeadLetters
from shared.messaging.publisher import Publisher
from shared.service import Service
from shared.store.repository import Repository
from tests.messaging import probe
from tests.support.running import running

REPOSITORIES: list[Repository[Any]] = [probe.COUNTERS, probe.SEEN]


@pytest.fixture
async def clean(broker: Any) -> None:
    """Empty queues before each test, and nothing noted in memory."""
    probe.Tally.failures.clear()
    probe.Tally.order.clear()
    probe.Tally.gate = None
    probe.Tally.error = "failed as told"
    connection = await aio_pika.connect(broker.url("operator"))
    for name in ("probe.commands", "probe.from.probe", "probe.dead", "probe.unrouted"):
        channel = await connection.channel()
        try:
            await (await channel.get_queue(name)).purge()
        except aio_pika.exceptions.ChannelNotFoundEntity:
            continue
    await connection.close()


@pytest.fixture
def start(broker: Any, clean: None, tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Service]]:
    """Starts the probe service; the same store again for every start within a test."""
    return partial(running, probe, REPOSITORIES, tmp_path, broker.url("operator"))


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that wait until something is found that is looked for now and then, not for how often."""
    monkeypatch.setattr(relay, "SWEEP_SECONDS", 0.3)
    monkeypatch.setattr(unrouted, "LOOK_SECONDS", 0.3)
    monkeypatch.setattr(service_module, "STORE_WATCH_SECONDS", 0.2)


@pytest.fixture
async def service(start: Callable[..., AbstractAsyncContextManager[Service]]) -> AsyncIterator[Service]:
    """The probe service, running."""
    async with start() as found:
        yield found


@pytest.fixture
async def client(broker: Any) -> AsyncIterator[Client]:
    """An integrator."""
    async with Client(broker.url("integrator"), timeout=15) as found:
        yield found


@pytest.fixture
async def operator(broker: Any) -> AsyncIterator[Publisher]:
    """The operator's connection."""
    publisher = Publisher(broker.url("operator"), "test-operator")
    yield publisher
    await publisher.close()


@pytest.fixture
def dead(operator: Publisher) -> DeadLetters:
    """The probe's dead letters."""
    return DeadLetters(operator, "probe")
