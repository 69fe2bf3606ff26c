from collections.abc import Sequence

import pytest

from shared.store.port import Collection
from tests.store.data import OTHERS, THINGS


@pytest.fixture
def collections() -> Sequence[Collection]:
    return (THINGS, OTHERS)
