"""One running system for the tests that leave it as they found it: ready, with nothing waiting in it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from shared.messaging.publisher import Publisher
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
