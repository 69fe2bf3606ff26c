"""The system of docker-compose.yml, once for all tests here."""

from collections.abc import Iterator

import pytest

from tests.containers.system import Compose


@pytest.fixture(scope="session")
def compose() -> Iterator[Compose]:
    """All services, healthy, with Mailpit."""
    system = Compose()
    try:
        system.up()
        yield system
    except AssertionError:
        print(system("logs", "--tail", "60", "--no-color"))
        raise
    finally:
        system.down()
