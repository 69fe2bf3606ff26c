"""Messages that fail: tiers, dead letters with their reasons, replay; and stores and brokers that are away."""

import asyncio
import json
from typing import Any

import aio_pika
import pytest

from shared.contracts.base import Envelope
from shared.messaging import consumer, giving_way
from shared.messaging.failing import Failing
from shared.messaging.publisher import Outgoing
from shared.store.errors import Unavailable
from tests.messaging import probe
from tests.messaging.probe import COUNTERS, SEEN, Add, Added, Fail, Tally
from tests.support.running import until


async def publish(operator, queue: str, body: bytes, id: str = "m1", **headers) -> None:
    await operator.publish(Outgoing("", queue, body, id, headers=headers))


def command(model, id: str = "m1", **data) -> bytes:
    return Envelope(id=id, source="/test", type=model.type(), data=data).to_json()


async def letters(dead, count: int = 1):
    return await until(dead.all, lambda found: len(found) >= count)


async def test_what_fails_in_every_try_becomes_a_dead_letter_that_says_why(service, operator, dead):
    await publish(operator, "probe.commands", command(Fail, label="always", times=99))
    (letter,) = await letters(dead)
    assert letter.reason == "handler-failed"
    assert letter.detail == "RuntimeError: failed as told, always"
    assert letter.handler == "tests.messaging.probe.fail"
    assert letter.queue == "probe.commands"
    assert letter.tries == 3
    assert letter.first < letter.last
    assert "probe.py" in letter.trace
    assert Tally.failures["always"] == 3


async def test_a_cancellation_that_came_from_a_library_is_a_failure_like_any_other(start, client, monkeypatch):
    tries: list[str] = []

    async def interrupted(command: Fail, _: Any) -> None:
        tries.append(command.label)
        if len(tries) < 3:
            raise asyncio.CancelledError

    monkeypatch.setitem(probe.COMMANDS, Fail, interrupted)
    async with start(prefetch=1):
        assert (await client.send(Fail(label="x"))).ok
    assert len(tries) == 3


async def test_what_can_neither_be_handled_nor_laid_aside_stays_in_nobodys_hands(start, client, monkeypatch, dead):
    monkeypatch.setattr(consumer, "GIVE_BACK_SECONDS", 0.0)
    monkeypatch.setattr(giving_way, "SECONDS", 0.0)

    async def broken(*_: Any) -> None:
        raise ValueError("cannot be written as AMQP")

    monkeypatch.setattr(Failing, "retry_or_bury", broken)
    async with start(prefetch=1):
        sending = asyncio.create_task(client.send(Fail(label="x", times=99)))
        (letter,) = await letters(dead)
        assert letter.reason == "delivery_limit"
        assert (await client.send(Add(counter="a"))).ok
    sending.cancel()


async def test_a_poison_message_in_each_queue_ends_as_a_dead_letter_while_others_flow(service, operator, dead, client):
    for queue in ("probe.commands", "probe.from.probe"):
        await publish(operator, queue, b"not json", id=f"poison-{queue}")
    assert (await client.send(Add(counter="a"))).ok
    found = await letters(dead, 2)
    assert {(x.queue, x.reason) for x in found} == {
        ("probe.commands", "unreadable"),
        ("probe.from.probe", "unreadable"),
    }


async def test_more_poison_than_the_prefetch_leaves_the_consumer_draining(start, operator, dead, client):
    async with start(prefetch=5):
        for n in range(30):
            await publish(operator, "probe.commands", b"\x00", id=f"p{n}")
        assert (await client.send(Add(counter="a"))).ok
        assert len(await letters(dead, 30)) == 30


async def test_a_mended_dead_letter_is_replayed_and_leaves(service, operator, dead):
    await publish(operator, "probe.commands", command(Add, counter=5))
    (letter,) = await letters(dead)
    mended = json.loads(letter.body) | {"data": {"counter": "mended", "amount": 4}}
    assert await dead.replay(lambda x: x == letter, json.dumps(mended).encode())
    await until(lambda: service.store.get(COUNTERS.collection, "mended"), lambda d: d is not None and d["total"] == 4)
    assert await dead.all() == []


async def test_a_refused_command_that_nobody_hears_of_can_be_replayed_as_it_is(service, operator, dead):
    await publish(operator, "probe.commands", command(Add, counter="a", amount=13))
    (letter,) = await letters(dead)
    assert letter.reason == "refused"
    await dead.replay(lambda x: x.reason == "refused")
    await letters(dead)
    assert await dead.drop(lambda x: x.id == letter.id)
    assert await dead.all() == []
    assert await dead.drop(lambda _: True) == []


async def test_looking_at_dead_letters_thirty_times_uses_none_up(service, operator, dead):
    await publish(operator, "probe.commands", b"x")
    await letters(dead)
    for _ in range(30):
        assert len(await dead.all()) == 1


async def test_an_event_from_another_user_than_its_publisher_is_laid_aside(service, broker, operator, dead):
    connection = await aio_pika.connect(broker.url("integrator"))
    channel = await connection.channel()
    event = command(Added, counter="forged", total=1_000_000)
    with pytest.raises(aio_pika.exceptions.AMQPError):
        await channel.default_exchange.publish(
            aio_pika.Message(event, message_id="m1", user_id="integrator"), routing_key="probe.from.probe"
        )
    await connection.close()
    assert await service.store.get(SEEN.collection, "forged") is None


@pytest.mark.usefixtures("quick_looks")
async def test_a_store_that_is_away_burns_no_tries(service, client, monkeypatch, dead):
    away = True
    ping, insert = service.store.ping, service.store.insert

    async def maybe(real: Any, *arguments: Any, **more: Any) -> Any:
        if away:
            raise Unavailable("pulled the plug")
        return await real(*arguments, **more)

    monkeypatch.setattr(service.store, "insert", lambda *a, **more: maybe(insert, *a, **more))
    monkeypatch.setattr(service.store, "ping", lambda *a: maybe(ping, *a))
    sending = [asyncio.create_task(client.send(Add(counter=f"c{n}"))) for n in range(20)]

    async def reasons() -> Any:
        return service.reasons()

    await until(reasons, lambda r: any("pulled the plug" in reason for reason in r))
    away = False
    assert all(reply.ok for reply in await asyncio.gather(*sending))
    assert await dead.all() == []
    await until(reasons, lambda r: not r)


@pytest.mark.usefixtures("quick_looks")
async def test_a_write_whose_answer_is_lost_has_one_effect(service, client, monkeypatch):
    insert = service.store.insert
    lost: list[str] = []

    async def insert_and_lose(collection, document, **more):
        await insert(collection, document, **more)
        if collection.name == "counters" and not lost:
            lost.append(document["_id"])
            raise Unavailable("the answer was lost")

    monkeypatch.setattr(service.store, "insert", insert_and_lose)
    assert (await client.send(Add(counter="a", amount=7))).result == {"total": 7}
    assert lost == ["a"]
    await until(lambda: service.store.get(SEEN.collection, "a"), lambda d: d is not None and d["total"] == 7)


async def test_a_graceful_stop_finishes_what_is_in_hand_and_loses_nothing(start, client):
    Tally.gate = asyncio.Event()
    async with start() as first:
        sending = [asyncio.create_task(client.send(Add(counter=f"c{n}"))) for n in range(10)]

        async def held() -> int:
            return len(first.executor._keys._locks)

        await until(held, lambda n: n == 10)
        stopping = asyncio.get_running_loop().call_later(0.05, Tally.gate.set)
    assert stopping.when()
    async with start():
        assert [r.result for r in await asyncio.gather(*sending)] == [{"total": 1}] * 10


async def test_a_message_that_kills_its_consumer_again_and_again_is_laid_aside_by_the_broker(
    start, broker, operator, dead
):
    async with start():
        pass  # declares
    await publish(operator, "probe.commands", command(Add, counter="a"), id="killer")
    connection = await aio_pika.connect(broker.url("operator"))

    async def take_and_die() -> int:
        channel = await connection.channel()
        queue = await channel.get_queue("probe.commands", ensure=False)
        taken = await queue.get(fail=False)
        await channel.close()
        return len(await dead.all()) if taken is None else 0

    await until(take_and_die)
    await connection.close()
    (letter,) = await dead.all()
    assert (letter.id, letter.queue, letter.reason) == ("killer", "probe.commands", "delivery_limit")


async def test_a_dead_letter_says_which_field_was_wrong_and_not_what_stood_in_it(start, operator, dead, monkeypatch):
    async def reads_its_document(_: Fail, __: Any) -> None:
        Add.model_validate({"counter": ["Asta Eksempel"], "amount": "Asta Eksempel"})

    monkeypatch.setitem(probe.COMMANDS, Fail, reads_its_document)
    async with start():
        await publish(operator, "probe.commands", command(Fail, label="x"))
        (letter,) = await letters(dead)
    assert letter.detail.startswith("ValidationError: counter: Input should be a valid string; amount: ")
    assert "Asta" not in letter.detail
