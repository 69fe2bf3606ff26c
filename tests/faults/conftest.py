"""The probe service on the session's broker, and the account of what a fault did to it."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.messaging.conftest import clean, client, dead, operator, service, start
from tests.notifications.conftest import sink

__all__ = ["clean", "client", "dead", "operator", "service", "sink", "start"]


@pytest.fixture
def told(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Notes the figures of a case: printed (`-s`, `-rP`), and properties in a JUnit report."""

    def tell(case: str, **figures: Any) -> None:
        print(f"\n{case}: {', '.join(f'{name} {value}' for name, value in figures.items())}")
        for name, value in figures.items():
            record_property(f"{case} {name}", value)

    return tell
