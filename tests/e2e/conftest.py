"""One running system for the tests that leave it as they found it: ready, with nothing waiting in it.

And one on which the demo's story was played.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from shared.messaging.publisher import Publisher
from tests.e2e.played import SETTINGS, Played
from tests.support.embedded import Embedded, embedded


@pytest.fixture(scope="session")
def shared_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """The four services, RabbitMQ and the mail sink, started once.

    A mail whose sender was killed is taken up by the next one after three seconds instead of twenty.
    """
    with embedded(tmp_path_factory.mktemp("system"), {"NOTIFICATIONS_MAIL_LEASE_SECONDS": "3"}) as running:
        yield running


@pytest.fixture
async def system(shared_system: Embedded) -> AsyncIterator[Embedded]:
    """It, ready before the test and after."""
    await shared_system.ready()
    yield shared_system
    await shared_system.ready()


@pytest.fixture
async def operator(system: Embedded) -> AsyncIterator[Publisher]:
    """The operator's connection."""
    publisher = Publisher(system.url("operator"), "test-operator")
    yield publisher
    await publisher.close()


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """A system of its own on which the demo's story was played; `test_story_secrecy`, the last to use it, stops it."""
    with embedded(tmp_path_factory.mktemp("played"), SETTINGS) as system:
        found = Played(system)
        asyncio.run(found.play())
        yield found
