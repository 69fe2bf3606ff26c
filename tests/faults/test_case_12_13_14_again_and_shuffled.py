"""Cases 12, 13 and 14: messages that come several times, in another order, or very late."""

import asyncio
import random
import uuid
from datetime import timedelta
from typing import Any

import pytest

from services.events import messages as events
from services.events.store import REPOSITORIES as EVENTS
from services.notifications import messages as notifications
from services.notifications.store import NEWS
from services.notifications.store import REPOSITORIES as NOTIFICATIONS
from services.procurement import messages as procurement
from services.procurement.store import REPOSITORIES as PROCUREMENT
from services.procurement.store import SUPPLIERS
from shared.contracts.base import Event
from shared.messaging.executor import Executor
from shared.messaging.janitor import forget
from shared.messaging.publisher import Outgoing, Publisher
from shared.store.port import Trim
from shared.store.work import OWN_COLLECTIONS, Pending, Work
from tests.events.builders import LINKS, on_site_only, person
from tests.faults.nodes import node
from tests.faults.probing import NOTHING, PAGE, command, settled
from tests.messaging import probe
from tests.messaging.conftest import REPOSITORIES
from tests.messaging.probe import COUNTERS, Add
from tests.notifications.rig import context, settings
from tests.procurement.builders import CATERING, CLEANING, PRINTING, supplier, updated, withdrawn
from tests.support.harness import harness
from tests.support.persistent import hearing
from tests.support.running import running, until
from tests.support.stores import fresh_store


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("count", [50, pytest.param(1000, marks=[pytest.mark.faults, pytest.mark.timeout(600)])])
async def test_case_12_every_message_three_times_at_once(*, broker, tmp_path, operator, told, count):
    """Over three connections, to three processes that share a store."""
    url, run = broker.url("operator"), uuid.uuid4().hex[:8]
    store_url = f"sqlite:///{tmp_path / 'probe'}.db"
    sent = {f"{run}-{n}": f"{run}-c{n % 7}" for n in range(count)}
    async with (
        running(probe, REPOSITORIES, tmp_path, url, store_url=store_url) as service,
        node(url, store_url),
        node(url, store_url),
        hearing(broker.url("integrator"), "probe") as heard,
    ):
        await thrice(url, [command(key, counter) for key, counter in sent.items()])
        assert await settled(service, operator, sent) == NOTHING

        async def told_all() -> set[str]:
            return {event.id for event in heard if event.type == probe.Added.type()}

        await until(told_all, lambda ids: len(ids) == count)
        told_events = {event.id: event for event in heard if event.type == probe.Added.type()}
        events_again = [Outgoing("", "probe.from.probe", e.to_json(), e.id) for e in told_events.values()]
        await thrice(url, events_again)
        account = await settled(service, operator, sent)
    told("12", messages=2 * count, each=3, **account.as_dict())
    assert account == NOTHING


async def test_case_12_a_message_that_another_process_finishes_between_two_looks_of_this_one(store_url):
    """It was not in the inbox when this one looked, and is no longer in the document when this one loads it."""
    collections = [*OWN_COLLECTIONS, *(r.collection for r in REPOSITORIES)]
    async with fresh_store(store_url, collections) as store:
        owed: list[Pending] = []
        first, second = Executor(store, "probe", owed.extend), Executor(store, "probe")
        await first.execute(Add(counter="c"), probe.add, id="0", source=PAGE)
        waits, goes_on = asyncio.Event(), asyncio.Event()

        async def slow_add(command: Add, work: Work) -> Any:
            waits.set()
            await goes_on.wait()
            return await probe.add(command, work)

        slow = asyncio.create_task(second.execute(Add(counter="c"), slow_add, id="1", source=PAGE))
        await waits.wait()
        reply = await first.execute(Add(counter="c"), probe.add, id="1", source=PAGE)
        trims = [Trim(p.id, {"outbox": [e["id"] for e in p.outbox], "applied": p.applied}) for p in owed]
        await store.trim(COUNTERS.collection, trims)  # as its relay does
        goes_on.set()
        assert await slow == reply
        document = await store.get(COUNTERS.collection, "c")
        assert document is not None
        assert document["total"] == 2


async def thrice(url: str, messages: list[Outgoing]) -> None:
    async def send(name: str) -> None:
        publisher = Publisher(url, name)
        for start in range(0, len(messages), 100):
            assert not any(await publisher.publish_many(messages[start : start + 100]))
        await publisher.close()

    await asyncio.gather(*(send(f"sender-{n}") for n in range(3)))


def history(count: int) -> list[Event]:
    """A supplier's life: registered, changed again and again, gone (at 50, 150, …, 950) and back."""
    kinds = (CATERING, CLEANING, PRINTING)

    def event(version: int) -> Event:
        if version % 100 == 50:
            return withdrawn("s1")
        make = supplier if version % 100 == 51 or version == 1 else updated
        return make("s1", kinds[version % 3], name=f"Navn {version} ApS")

    return [event(version) for version in range(1, count + 1)]


CONSUMERS: dict[str, tuple[Any, Any, Any]] = {
    "procurement": (procurement, PROCUREMENT, None),
    "notifications": (notifications, NOTIFICATIONS, context(settings())),
}


@pytest.mark.parametrize("last", [120, 150, *(pytest.param(n, marks=pytest.mark.faults) for n in (1000, 950))])
@pytest.mark.parametrize("consumer", CONSUMERS)
async def test_case_13_shuffled_order_within_an_aggregate(told, consumer, last):
    messages, repositories, surroundings = CONSUMERS[consumer]
    in_order = list(enumerate(history(last), 1))
    shuffled = random.Random(13).sample(in_order, len(in_order))
    states = []
    for order in (in_order, shuffled):
        async with harness(messages, repositories, surroundings) as rig:
            for version, event in order:
                if type(event) in messages.CONSUMES:
                    await rig.feed(event, version, id=f"event-{version}")
            repository, own = COPIES[consumer]
            (copy,) = [d async for d in rig.store.everything(repository.collection)]
            states.append({name: value for name, value in copy.items() if name not in own})
    told("13", consumer=consumer, events=last, differences=int(states[0] != states[1]))
    assert states[0] == states[1]
    assert last in (states[0].get("version"), states[0].get("heard"))


COPIES: dict[str, tuple[Any, tuple[str, ...]]] = {"procurement": (SUPPLIERS, ()), "notifications": (NEWS, ("version",))}
"""Where each keeps what it knows of a supplier, and what is its own: how often it wrote."""


async def test_case_14_a_duplicate_after_almost_seven_days(told):
    async with harness(events, EVENTS, LINKS) as rig:
        reply = await rig.send(on_site_only(3), "announce")
        assert reply.result is not None
        event_id = reply.result["event_id"]
        first = await rig.send(person(event_id, 1), "sign-up")
        before, heard = await rig.dump(), len(rig.events)
        rig.now += timedelta(days=7) - timedelta(minutes=1)
        await forget(rig.store, rig.now)
        assert await rig.send(person(event_id, 1), "sign-up") == first
        assert (await rig.send(on_site_only(3), "announce")).result == reply.result
        assert (await rig.dump(), len(rig.events)) == (before, heard)
    told("14", days="6.999", second_effects=0)
