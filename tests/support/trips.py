"""The fixture `trips`: how often a SQLite store is asked, which over a network is most of what a message costs."""

from collections import Counter
from typing import Any

import pytest

from shared.store.sqlite.store import SqliteStore


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the store was asked; what the store itself puts together is one."""
    counted: Counter[str] = Counter()

    def counting(name: str) -> None:
        ask = getattr(SqliteStore, name)

        async def asked(store: SqliteStore, work: Any) -> Any:
            counted[name] += 1
            return await ask(store, work)

        monkeypatch.setattr(SqliteStore, name, asked)

    counting("_read")
    counting("_write")
    return counted
