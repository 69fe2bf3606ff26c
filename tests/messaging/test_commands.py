"""Commands over a real broker: replies, problems, idempotency, order."""

import asyncio
import json

import pytest

from shared.contracts.base import Envelope
from shared.messaging.client import Client, NoReply
from tests.messaging.probe import SEEN, Add, Fail, Secret, Tally
from tests.support.running import until


async def test_a_command_is_answered_with_its_result(service, client):
    reply = await client.send(Add(counter="a", amount=2))
    assert reply.ok
    assert reply.result == {"total": 2}


async def test_the_same_id_again_gives_the_same_reply_and_no_second_effect(service, client):
    replies = [await client.send(Add(counter="a", amount=2), id="one") for _ in range(3)]
    assert [r.result for r in replies] == [{"total": 2}] * 3
    assert (await client.send(Add(counter="a", amount=1))).result == {"total": 3}


async def test_an_id_that_was_used_for_another_message_is_a_conflict(service, client):
    await client.send(Add(counter="a", amount=2), id="one")
    reply = await client.send(Add(counter="a", amount=3), id="one")
    assert reply.problem.status == 409
    assert "own id" in reply.problem.detail


async def test_a_refusal_is_remembered_as_the_reply(service, client):
    first = await client.send(Add(counter="a", amount=13), id="one")
    again = await client.send(Add(counter="a", amount=13), id="one")
    assert first.problem.status == 409
    assert again == first


async def test_a_wrong_field_is_named(service, client, dead):
    reply = await client.send_data("probe", "add.v1", {"counter": 5, "colour": "green"})
    assert reply.problem.status == 422
    assert [e.field for e in reply.problem.errors] == ["counter", "colour"]
    assert await dead.all() == []


async def test_an_unknown_command_or_version_is_answered_and_laid_aside(service, client, dead):
    replies = [await client.send_data("probe", key, {"counter": "a"}) for key in ("nope.v1", "add.v9")]
    assert [r.problem.status for r in replies] == [404, 404]
    assert "known: dk.rummelig.probe.add.v1" in replies[0].problem.detail
    assert [letter.reason for letter in await dead.all()] == ["unknown-type"] * 2


async def test_what_is_not_a_cloudevent_is_answered_and_laid_aside(service, client, dead):
    bodies = [b"\xff\xfe", b"{", b"[]", b'"text"', b"{}", b"[" * 5000, b'{"specversion":"0.3"}', b" " * 300_000]
    replies = [await client.send_body("probe", "add.v1", body, f"bad-{n}") for n, body in enumerate(bodies)]
    assert [r.problem.status for r in replies] == [400] * len(bodies)
    assert sorted(letter.id for letter in await dead.all()) == [f"bad-{n}" for n in range(len(bodies))]
    assert (await client.send(Add(counter="a"))).ok


async def test_a_message_id_that_differs_from_the_cloudevents_id_is_refused(service, client):
    envelope = Envelope(id="inner", source="/integrator", type=Add.type(), data={"counter": "a"})
    reply = await client.send_body("probe", "add.v1", envelope.to_json(), "outer")
    assert reply.problem.status == 400
    assert "message_id" in reply.problem.detail


async def test_who_may_not_send_a_command_is_told_so(service, client):
    reply = await client.send(Secret())
    assert reply.problem.status == 403
    assert "'integrator'" in reply.problem.detail


async def test_commands_of_one_key_are_carried_out_in_the_order_of_sending(service, client):
    sends = [client.send(Add(counter=f"c{n % 5}", amount=n + 100)) for n in range(200)]
    await asyncio.gather(*sends)
    for counter in range(5):
        assert [a for c, a in Tally.order if c == f"c{counter}"] == [n + 100 for n in range(200) if n % 5 == counter]


async def test_events_reach_the_consumer_with_the_aggregates_version(service, client):
    for _ in range(5):
        await client.send(Add(counter="a"), correlation="one-action")
    seen = await until(lambda: service.store.get(SEEN.collection, "a"), lambda d: d is not None and d["total"] == 5)
    assert seen["version"] == 5


async def test_a_command_that_fails_twice_is_tried_until_it_works(service, client):
    reply = await client.send(Fail(label="twice", times=2))
    assert reply.ok
    assert Tally.failures["twice"] == 3


async def test_a_reply_that_nobody_awaits_does_no_harm(service, client):
    sending = asyncio.create_task(client.send(Add(counter="a"), id="left"))
    await asyncio.sleep(0)
    sending.cancel()
    assert (await client.send(Add(counter="a"))).ok


async def test_replies_are_json_that_any_client_reads(service, client):
    reply = await client.send(Add(counter="a", amount=13))
    document = json.loads(reply.to_json())
    assert document["ok"] is False
    assert set(document["problem"]) >= {"type", "title", "status", "detail", "errors"}


async def test_who_awaits_a_reply_hears_at_once_that_the_connection_broke(broker, clean):
    async with Client(broker.url("integrator"), timeout=60) as client:
        sending = [asyncio.create_task(client.send(Add(counter="a"), id=f"n{n}")) for n in range(5)]

        async def queued() -> int:
            return len(client._waiting)

        await until(queued, lambda n: n == 5)
        assert client._connection is not None
        await client._connection.close()
        async with asyncio.timeout(5):
            for lost in asyncio.as_completed(sending):
                with pytest.raises(NoReply, match="again with id"):
                    await lost
            with pytest.raises(NoReply):
                await client.send(Add(counter="a"))
