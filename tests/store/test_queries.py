"""Queries that every service makes besides those of its handlers, which their own tests have explained (`harness`)."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from shared.messaging.janitor import forget
from shared.messaging.publisher import Publisher
from shared.messaging.relay import Relay
from shared.observability.metrics import Metrics
from shared.persons.erased import ErasedList
from shared.store.errors import Undeclared
from shared.store.port import PENDING, In, Store
from shared.store.sqlite import SqliteStore
from shared.store.work import ERASED, INBOX, OWN_COLLECTIONS
from tests.store.data import THINGS
from tests.support.watched import Explained


@pytest.fixture
async def explained(tmp_path: Path) -> AsyncIterator[Explained]:
    store = SqliteStore(tmp_path / "store.db")
    await store.open([*OWN_COLLECTIONS, THINGS])
    yield Explained(store, store)
    await store.close()


async def test_inbox_relay_and_erased_persons(explained: Explained) -> None:
    store = cast("Store", explained)
    await forget(store, datetime.now(UTC))
    publisher = Publisher("amqp://nobody@127.0.0.1:1/", "none")
    await Relay(store, publisher, "probe", [INBOX, THINGS], Metrics("probe"))._sweep()
    await ErasedList(store, b"")._refresh()
    asked: set[Any] = {shape[:2] for shape in explained.shapes}
    assert asked == {("delete", INBOX.name), *(("find", c.name) for c in (INBOX, THINGS, ERASED))}


async def test_what_sorts_is_seen(explained: Explained) -> None:
    with pytest.raises(AssertionError, match="sorts"):
        await explained.find(THINGS, {"group": "x"})
    await explained.find(THINGS, {"group": "x"}, order="rank")
    with pytest.raises(AssertionError, match="sorts"):
        await explained.find(THINGS, {"group": In(["x", "y"])})


async def test_only_times_are_found_by_what_waits_for_the_relay(explained: Explained) -> None:
    for where, order in (({PENDING: None}, None), ({}, PENDING)):
        with pytest.raises(Undeclared):
            await explained.find(THINGS, where, order=order)
