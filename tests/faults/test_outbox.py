"""Outboxes: what a crash leaves in a document that is written all the time, and how much one may hold."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel

from shared.contracts.base import Envelope
from shared.contracts.problems import Invalid
from shared.messaging import relay
from shared.messaging.executor import Executor
from shared.service import Service
from shared.store import committing, work
from shared.store.errors import Backlog
from shared.store.port import PENDING
from tests.faults.probing import NOTHING, command, settled
from tests.messaging import probe
from tests.messaging.conftest import REPOSITORIES
from tests.messaging.probe import COUNTERS, SEEN, Add, Added
from tests.support.running import running, until
from tests.support.tap import Tap, tapped


class Long(BaseModel):
    """A result."""

    text: str


def event(counter: str) -> dict[str, Any]:
    told = Added(counter=counter, total=1)
    envelope = Envelope(
        id=f"event-{counter}", source="/probe", type=told.type(), subject=counter, data=told.model_dump()
    )
    return envelope.model_dump(mode="json", exclude_none=True)


@pytest.fixture
async def service(broker: Any, clean: None, store_url: str, tmp_path: Any) -> AsyncIterator[Service]:
    async with running(probe, REPOSITORIES, tmp_path, broker.url("operator"), store_url=store_url) as found:
        yield found


@pytest.mark.usefixtures("quick_looks")
async def test_what_another_process_left_is_sent_although_its_document_is_written_all_the_time(service, client):
    await client.send(Add(counter="hot"))
    hot = await service.store.get(COUNTERS.collection, "hot")
    fields = {"version": hot["version"] + 1, PENDING: datetime.now(UTC)}
    left = {"outbox": [event("left")]}
    await service.store.save(COUNTERS.collection, "hot", fields, version=hot["version"], push=left)
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            await asyncio.gather(*(client.send(Add(counter="hot")) for _ in range(3)))

    writing = asyncio.create_task(write())
    try:
        await until(lambda: service.store.get(SEEN.collection, "left"))
    finally:
        stop.set()
        await writing


@pytest.fixture
async def tapped_service(broker: Any, clean: None, store_url: str, tmp_path: Any) -> AsyncIterator[tuple[Service, Tap]]:
    """The service through a network that a test spoils; it soon gives up waiting for a confirm."""
    async with (
        tapped(broker.url("operator")) as tap,
        running(probe, REPOSITORIES, tmp_path, tap.url, store_url=store_url) as service,
    ):
        service.publisher._timeout = 1.0
        yield service, tap


async def seen(service: Service, counter: str) -> int:
    document = await service.store.get(SEEN.collection, counter)
    return int(document["total"]) if document else 0


async def test_a_document_takes_no_more_than_it_may_owe_and_costs_no_message_a_try(
    tapped_service, monkeypatch, operator, dead
):
    service, tap = tapped_service
    monkeypatch.setattr(committing, "MOST_OWED", 10)
    tap.freeze(1)  # the publisher's
    sent = {f"m{n}": "hot" for n in range(30)}
    for key, counter in sent.items():
        await operator.publish(command(key, counter))

    async def hot() -> Any:
        return await service.store.get(COUNTERS.collection, "hot") or {"outbox": [], "total": 0}

    await until(hot, lambda document: len(document["outbox"]) >= 10)
    pages = Executor(service.store, "probe", service.relay.offer)
    with pytest.raises(Backlog):  # a page answers 503 with it, and asks to try again
        await pages.execute(Add(counter="hot"), probe.add, id="p1", source="/page")
    assert (await pages.execute(Add(counter="other"), probe.add, id="p2", source="/page")).ok
    found = await hot()
    assert (found["total"], len(found["outbox"])) == (5, 10)
    tap.thaw()
    await until(hot, lambda document: document["total"] == 30, patience=60)
    await until(partial(seen, service, "hot"), lambda total: total == 30)
    await until(partial(seen, service, "other"))  # the account below knows of no page's command
    assert (await settled(service, operator, sent)).lost == 0
    assert await dead.all() == []


@pytest.mark.usefixtures("clean")
async def test_what_waits_for_a_full_document_keeps_no_other_messages_waiting(service, operator, monkeypatch):
    monkeypatch.setattr(committing, "MOST_OWED", 10)
    unreadable = [{"id": f"u{n}", "of": "an older time"} for n in range(10)]  # as what no broker ever takes
    await service.store.insert(COUNTERS.collection, {"_id": "hot", "version": 1, "total": 0, "outbox": unreadable})
    sent = {f"m{n}": "hot" for n in range(service.settings.prefetch)}
    sent["m-other"] = "other"
    for key, counter in sent.items():
        await operator.publish(command(key, counter))
    await until(lambda: service.store.get(SEEN.collection, "other"))
    await service.store.delete(COUNTERS.collection, {"_id": "hot"})
    assert await settled(service, operator, sent) == NOTHING


async def test_a_document_that_is_too_large_because_of_what_it_owes_waits_for_its_relay(service, server_kind):
    if server_kind == "mongoeco":
        pytest.skip("mongoeco knows no largest document")
    size = 3 << 20
    outbox = [{"id": f"e{n}", "of": "an older time", "said": "x" * size} for n in range(5)]
    await service.store.insert(COUNTERS.collection, {"_id": "hot", "version": 1, "total": 0, "outbox": outbox})
    await service.store.insert(COUNTERS.collection, {"_id": "idle", "version": 1, "total": 0})
    pages = Executor(service.store, "probe", service.relay.offer)

    async def answer_much(command: Add, unit: work.Work) -> Long:
        found = await unit.get(COUNTERS, command.counter)
        assert found is not None
        unit.save(COUNTERS, found)
        return Long(text="x" * size * command.amount)

    for counter, amount, error in (("hot", 1, Backlog), ("idle", 6, Invalid)):
        with pytest.raises(error):
            await pages.execute(Add(counter=counter, amount=amount), answer_much, id=counter, source="/page")


def test_the_lag_that_is_shown_is_that_of_the_oldest_event_and_not_of_the_mark():
    told = event("hot")
    document = {PENDING: datetime(2026, 11, 23, 9, tzinfo=UTC), "outbox": [told, {"id": "unreadable"}]}
    assert relay._waiting_since(document) == datetime.fromisoformat(told["time"])
    assert relay._waiting_since(document | {"outbox": []}) == document[PENDING]
