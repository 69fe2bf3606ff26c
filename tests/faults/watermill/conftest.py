"""A publishing service, and consumer groups as a test wants them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.watermill.pubsub import PubSub, pubsub


@pytest.fixture
async def bus(broker: Any, tmp_path: Path) -> AsyncIterator[PubSub]:
    """The publisher, and groups that go with the test."""
    async with pubsub(broker.url("operator"), tmp_path) as found:
        yield found
