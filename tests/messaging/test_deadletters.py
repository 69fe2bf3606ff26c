"""What an operator does with dead letters: alone, two at once, many at once; and what is written down of it."""

import asyncio
import tracemalloc
from typing import Any

import pika
import pytest
from aiormq.exceptions import ChannelAccessRefused

from shared.contracts.base import Envelope
from shared.messaging import deadcount, deadletters, failing
from shared.messaging.audit import Action, Audit
from shared.messaging.deadletters import Busy, DeadLetters
from shared.messaging.publisher import Outgoing, Publisher
from shared.messaging.topology import AUDIT
from shared.observability.metrics import Metrics
from tests.messaging.probe import COUNTERS, Add
from tests.support.running import until


def add(id: str, **data: Any) -> bytes:
    return Envelope(id=id, source="/test", type=Add.type(), data=data).to_json()


async def lay_aside(operator: Publisher, *bodies: tuple[str, bytes], queue: str = "probe.commands") -> None:
    """As the service itself does it; that it was the operator who sent them is as good in these tests."""
    headers = {failing.QUEUE: queue, failing.REASON: "test", failing.SENDER: "integrator"}
    letters = [Outgoing("", "probe.dead", body, name, headers=headers) for name, body in bodies]
    for few in (letters[i : i + 100] for i in range(0, len(letters), 100)):
        assert set(await operator.publish_many(few)) == {None}


def nameless(url: str, body: bytes) -> None:
    """Without a message id, as our own client library never sends it."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    connection.channel().basic_publish("", "probe.dead", body)
    connection.close()


async def nothing(_: Any) -> None:
    """Takes what comes."""


@pytest.fixture
async def written(operator):
    """What was written down since the test began."""
    before = {a.id async for a in Audit(operator).actions()}

    async def look() -> list[Action]:
        return [a async for a in Audit(operator).actions() if a.id not in before]

    return look


async def test_every_action_is_written_down_with_who_what_why_and_how_it_ended(service, operator, dead, written):
    await lay_aside(operator, ("m1", add("m1", counter="a")), ("m2", b"nobody@kunde.example"))
    await dead.replay(lambda x: x.id == "m1", why="mended by nobody@kunde.example")
    await dead.drop(lambda x: x.id == "m2", why="a test")
    replay, drop = await written()
    assert (replay.action, replay.message, replay.outcome) == ("replay", "m1", "done")
    assert (replay.type, replay.queue, replay.reason) == (Add.type(), "probe.commands", "test")
    assert (drop.action, drop.message, drop.why, drop.type) == ("drop", "m2", "a test", "unknown")
    assert replay.user == "operator"
    assert " on " in replay.by
    assert "nobody@" not in replay.model_dump_json() + drop.model_dump_json()


async def test_it_is_written_down_before_it_is_done(operator, dead, written, service, monkeypatch):
    await lay_aside(operator, ("m1", add("m1", counter="a")))
    seen = []

    async def look_first(self: Publisher, message: Outgoing, real: Any = Publisher.publish) -> None:
        if message.routing_key == "probe.commands":
            seen.extend(await written())
        await real(self, message)

    monkeypatch.setattr(Publisher, "publish", look_first)
    await dead.replay(lambda _: True)
    assert [(a.message, a.outcome) for a in seen] == [("m1", "unknown")]
    assert [(a.message, a.outcome) for a in await written()] == [("m1", "done")]


async def test_what_cannot_be_sent_stays_and_the_others_go(service, operator, dead, written):
    await lay_aside(operator, ("m1", b"{}"), queue="nowhere.commands")
    await lay_aside(operator, ("m2", add("m2", counter="goes")))
    assert [x.id for x in await dead.replay(lambda _: True)] == ["m2"]
    assert [x.id for x in dead.stuck] == ["m1"] == [x.id for x in await dead.all()]
    assert [(a.message, a.outcome[:6]) for a in await written()] == [("m1", "failed"), ("m2", "done")]


async def test_a_service_reads_nothing_of_it_and_writes_under_its_own_name_only(broker, operator, written):
    if broker.url("supplier") == broker.url("operator"):
        pytest.skip("one user stands for all")
    supplier = Publisher(broker.url("supplier"), "test-supplier")
    try:
        forged = Action(action="drop", service="events", message="m1", user="operator", outcome="done")
        await supplier.publish(Outgoing("", AUDIT, forged.model_dump_json().encode(), "forged"))
        assert [a.user for a in await written()] == ["supplier"]
        channel = await (await supplier.connection()).channel()
        await channel.set_qos(prefetch_count=1)
        queue = await channel.get_queue(AUDIT, ensure=False)
        with pytest.raises(ChannelAccessRefused):
            await queue.consume(nothing, arguments={"x-stream-offset": "first"})
    finally:
        await supplier.close()


async def test_two_operators_at_once_lose_and_double_nothing(service, broker, operator, dead, written):
    ids = [f"m{n}" for n in range(60)]
    await lay_aside(operator, *((name, add(name, counter=name)) for name in ids))
    other = Publisher(broker.url("operator"), "test-other")
    try:
        second = DeadLetters(other, "probe")
        one, two, seen = await asyncio.gather(dead.replay(lambda _: True), second.replay(lambda _: True), dead.all())
    finally:
        await other.close()
    assert sorted(x.id for x in [*one, *two]) == sorted(ids)
    assert seen == []
    counters = await until(lambda: service.store.get_many(COUNTERS.collection, ids), lambda d: len(d) == len(ids))
    assert {d["total"] for d in counters.values()} == {1}
    assert sorted(a.message for a in await written()) == sorted(ids)


async def test_an_operator_who_never_finishes_is_told_of(service, broker, operator, dead, monkeypatch):
    monkeypatch.setattr(deadletters, "TURN_SECONDS", 0.3)
    await lay_aside(operator, ("m1", b"{}"))
    other = Publisher(broker.url("operator"), "test-other")
    looking = DeadLetters(other, "probe").each()
    assert (await anext(looking)).id == "m1"
    with pytest.raises(Busy):
        await dead.all()
    await other.close()  # as when it is killed
    assert [x.id for x in await dead.all()] == ["m1"]


async def test_a_look_at_many_large_ones_holds_one_at_a_time_and_leaves_them_there(service, operator, dead):
    ids = [f"m{n:03}" for n in range(200)]
    for name in ids:
        await lay_aside(operator, (name, name.encode() * 25_000))
    tracemalloc.start()
    seen = [x.id async for x in dead.each()]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sorted(seen) == ids
    assert peak < 5_000_000, "20 MB lie there"
    assert await dead.drop(lambda x: x.id == "m100")
    assert sorted(x.id for x in await dead.all()) == [name for name in ids if name != "m100"]


async def test_ids_that_occur_twice_and_messages_without_one_have_a_key(service, operator, dead, broker):
    await lay_aside(operator, ("twice", add("twice", counter="a")), ("twice", add("twice", counter="b")))
    await asyncio.to_thread(nameless, broker.url("operator"), b"nameless")
    found = await dead.all()
    assert len({x.key for x in found}) == 3
    assert sorted(x.name for x in found) == [next(x.key for x in found if not x.id), "twice", "twice"]
    assert [x.called("twice") for x in found] == [x.id == "twice" for x in found]
    assert await dead.drop(lambda x: x.called(found[0].key)) == [found[0]]
    assert {x.key for x in await dead.all()} == {found[1].key, found[2].key}


async def test_one_that_the_broker_laid_aside_and_that_has_no_id_is_known_by_that_of_its_event(
    service, operator, dead, broker
):
    await asyncio.to_thread(nameless, broker.url("operator"), add("inside", counter="inside"))
    (letter,) = await until(dead.all)
    assert letter.name == "inside"


async def test_how_many_wait_is_a_metric_and_those_in_hand_count(start, operator, dead, monkeypatch):
    monkeypatch.setattr(deadcount, "LOOK_SECONDS", 0.05)
    looks: list[int] = []
    tell = Metrics.dead_letters

    def look(metrics: Metrics, service: str, count: int) -> None:
        looks.append(count)
        tell(metrics, service, count)

    monkeypatch.setattr(Metrics, "dead_letters", look)
    async with start() as service:

        async def counted() -> float | None:
            found: float | None = service.metrics.registry.get_sample_value(
                "rummelig_dead_letters", {"service": "probe"}
            )
            return found

        async def looked() -> int:
            return len(looks)

        await until(counted, lambda n: n == 0)
        await lay_aside(operator, ("m1", b"x"), ("m2", b"y"))
        await until(counted, lambda n: n == 2)
        looking = dead.each()
        await anext(looking)
        before = len(looks)
        await until(looked, lambda n: n > before + 3)
        assert set(looks[before + 1 :]) == {2}, "one of them is in hand"
        await looking.aclose()
        await dead.drop(lambda _: True)
        await until(counted, lambda n: n == 0)
