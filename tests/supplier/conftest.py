import pytest

from services.supplier import messages
from services.supplier.store import REPOSITORIES
from tests.support.harness import harness


@pytest.fixture
async def rig():
    async with harness(messages, REPOSITORIES) as running:
        yield running
