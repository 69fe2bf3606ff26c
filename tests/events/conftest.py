import pytest

from services.events import messages
from services.events.store import REPOSITORIES
from tests.events.builders import LINKS
from tests.support.harness import harness


@pytest.fixture
async def rig():
    async with harness(messages, REPOSITORIES, LINKS) as running:
        yield running
