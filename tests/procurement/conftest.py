import pytest

from services.procurement import messages
from services.procurement.store import REPOSITORIES
from tests.support.harness import harness


@pytest.fixture
async def rig():
    async with harness(messages, REPOSITORIES) as running:
        yield running
