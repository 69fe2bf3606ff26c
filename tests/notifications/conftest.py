import pytest

from tests.notifications.rig import rig_with
from tests.notifications.sink import running_sink


@pytest.fixture
async def sink():
    async with running_sink() as running:
        yield running


@pytest.fixture
async def rig(sink):
    async with rig_with(sink) as running:
        yield running
