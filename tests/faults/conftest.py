"""The probe service on the session's broker, and the account of what a fault did to it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.messaging.conftest import clean, client, dead, operator, quick_looks, service, start
from tests.notifications.conftest import sink

__all__ = ["clean", "client", "dead", "operator", "quick_looks", "service", "sink", "start"]

type SetBroker = Callable[[str, int], None]


@pytest.fixture
def told(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Notes the figures of a case: printed (`-s`, `-rP`), and properties in a JUnit report."""

    def tell(case: str, **figures: Any) -> None:
        print(f"\n{case}: {', '.join(f'{name} {value}' for name, value in figures.items())}")
        for name, value in figures.items():
            record_property(f"{case} {name}", value)

    return tell


@pytest.fixture
def set_broker(broker: Any) -> Iterator[SetBroker]:
    """Changes a number among the running broker's own settings (Erlang's name of it); at the end it is as it was."""
    before: dict[str, str] = {}

    def change(name: str, value: int) -> None:
        read = f"{{ok, Was}} = application:get_env(rabbit, {name}), "
        write = f"ok = application:set_env(rabbit, {name}, {value}), Was."
        was = broker.control("eval", read + write).strip()
        before.setdefault(name, was)

    yield change
    for name, was in before.items():
        broker.control("eval", f"ok = application:set_env(rabbit, {name}, {was}).")
