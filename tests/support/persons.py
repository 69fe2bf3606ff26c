"""Erasing in tests of one service: without the pause that lets other processes learn of it."""

import importlib
from datetime import timedelta
from typing import Any

import pytest

from shared.contracts.base import Reply
from shared.persons import erasing
from shared.store.work import OWN_COLLECTIONS
from tests.support.harness import Harness


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else uses the store."""
    monkeypatch.setattr(erasing, "GRACE_SECONDS", 0.0)


async def erase(rig: Harness, email: str, id: str | None = None) -> dict[str, Any]:
    """The result of erase-person; the clock goes on by a second after it."""
    result = _done(await _send(rig, "ErasePerson", email, id))
    rig.now += timedelta(seconds=1)
    await rig.relayed()
    return result


async def export(rig: Harness, email: str) -> dict[str, Any]:
    """The result of export-person."""
    return _done(await _send(rig, "ExportPerson", email, None))


async def traces(rig: Harness, *words: str) -> list[tuple[str, str]]:
    """Collection and word, wherever a document of any collection, the service's own included, holds it."""
    collections = [*(r.collection for r in rig.repositories), *OWN_COLLECTIONS]
    found = [(c.name, str(d).lower()) for c in collections async for d in rig.store.everything(c)]
    return [(name, word) for name, text in found for word in words if word.lower() in text]


async def _send(rig: Harness, command: str, email: str, id: str | None) -> Reply:
    contracts = importlib.import_module(f"shared.contracts.{rig.service}")
    return await rig.send(getattr(contracts, command)(email=email), id, sender="operator")


def _done(reply: Reply) -> dict[str, Any]:
    assert reply.ok, reply.problem
    return reply.result or {}
