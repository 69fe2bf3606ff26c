"""A running system of its own, and the watch over it: what a fuzzer may never bring about."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.embedded import SERVICES, Embedded, embedded

NEVER = frozenset({"gave_back", "background_failed", "background_interrupted", "page_failed", "retried_later"})
"""Lines of the log that tell of a fault of ours: bad input is refused, it makes nothing fail."""


@pytest.fixture(scope="session")
def running_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """No limit on requests from one address: they all come from here."""
    plenty = {f"{name.upper()}_HTTP_{limit}": "1000000" for name in SERVICES for limit in ("RATE", "BURST")}
    with embedded(tmp_path_factory.mktemp("fuzzed"), plenty) as running:
        yield running


@pytest.fixture
async def system(running_system: Embedded) -> AsyncIterator[Embedded]:
    """It; afterwards the same processes run, are ready, and logged no fault."""
    await running_system.ready()
    before = running_system.system.status()
    seen = {name: _log(running_system, name).stat().st_size for name in SERVICES}
    yield running_system
    await running_system.ready()
    assert {name: p["pid"] for name, p in running_system.system.status()["processes"].items()} == {
        name: p["pid"] for name, p in before["processes"].items()
    }
    faults = [line for name in SERVICES for line in _faults(_log(running_system, name), seen[name])]
    assert not faults, "".join(faults)


def _log(system: Embedded, name: str) -> Path:
    return system.system.home.path / "logs" / f"{name}.log"


def _faults(log: Path, start: int) -> Iterator[str]:
    with log.open("rb") as file:
        file.seek(start)
        for line in file:
            record = json.loads(line)
            if record.get("event") in NEVER or record.get("level") == "critical":
                yield line.decode()
