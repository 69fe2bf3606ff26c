"""A network that says nothing: connections that are never answered, answers that never come."""

import asyncio
from typing import Any

import pytest

from shared.contracts.base import Envelope
from shared.messaging import consumer, subscription, unrouted
from shared.messaging.client import Client, NoReply
from shared.messaging.publisher import Outgoing, Publisher, Unconfirmed
from tests.messaging import probe
from tests.messaging.conftest import REPOSITORIES
from tests.support.running import running, until
from tests.support.tap import Tap, tapped


@pytest.fixture
async def tap(broker, clean):
    async with tapped(broker.url("operator")) as found:
        yield found


def attempts() -> list[str]:
    """What aio-pika's robust connections do in the background."""
    return [repr(t.get_coro()) for t in asyncio.all_tasks() if "connection_factory" in repr(t.get_coro())]


async def test_a_broker_that_takes_a_connection_and_never_answers_is_tried_again(tap, tmp_path, monkeypatch):
    monkeypatch.setattr(subscription, "CONNECT_SECONDS", 1.0)
    tap.answered = 1  # the publisher's; the consumers' is the second
    async with running(probe, REPOSITORIES, tmp_path, tap.url, ready=False) as service:

        async def taken():
            return tap.taken

        async def reasons() -> list[str]:
            return service.reasons()

        await until(taken, lambda n: n >= 2)
        tap.answered = 1_000_000
        await until(reasons, lambda found: not found)


async def test_a_stop_while_the_broker_does_not_answer_leaves_nothing_behind(tap, tmp_path, monkeypatch):
    monkeypatch.setattr(subscription, "CONNECT_SECONDS", 1.0)
    tap.answered = 1
    async with running(probe, REPOSITORIES, tmp_path, tap.url, ready=False):

        async def taken():
            return tap.taken

        await until(taken, lambda n: n >= 2)
        assert attempts()
    assert not attempts()


async def test_while_the_broker_does_not_confirm_a_message_is_held_and_not_given_back_to_death(
    tap, tmp_path, monkeypatch, operator, dead
):
    monkeypatch.setattr(consumer, "PAUSES", (0.01,))
    async with running(probe, REPOSITORIES, tmp_path, tap.url) as service:
        service.publisher._timeout = 0.03
        tap.freeze(1)  # the publisher's
        body = Envelope(id="m1", source="/x", type=probe.Fail.type(), data={"label": "held", "times": 30}).to_json()
        await operator.publish(Outgoing("", "probe.commands", body, "m1"))

        async def tries() -> int:
            return probe.Tally.failures.get("held", 0)

        await until(tries, lambda n: n > 30)  # with every one given back, the broker had laid it aside after 20
        assert await dead.all() == []


async def test_who_waits_for_an_answer_that_never_comes_goes_on_when_the_connection_is_given_up(
    tap, tmp_path, monkeypatch
):
    monkeypatch.setattr(unrouted, "LOOK_SECONDS", 0.05)
    async with running(probe, REPOSITORIES, tmp_path, tap.url) as service:
        tap.freeze()

        async def held():
            return tap.held

        await until(held)  # the look for unrouted events asked for its channel
        await service.publisher.close()
        tap.thaw()
        looked = asyncio.Event()
        monkeypatch.setattr(service.metrics, "unrouted", lambda _: looked.set())
        channel = await (await service.publisher.connection()).channel()
        underlay = await channel.get_underlay_channel()
        await underlay.basic_publish(b"{}", exchange="probe.events", routing_key="nobody.v1")
        async with asyncio.timeout(10):
            await looked.wait()
        queue = await channel.declare_queue("probe.unrouted", passive=True)
        await until(queue.purge, lambda done: bool(done.message_count))


async def closed_while_held(tap: Tap, sender: Client | Publisher) -> None:
    """The connection is closed for no reason, while the network holds back what was sent."""

    async def held() -> int:
        return tap.held

    await until(held)
    assert sender._channel is not None
    underlay: Any = await sender._channel.get_underlay_channel()
    await underlay._cancel_tasks(None)  # as aiormq does it when it closes


async def test_a_connection_that_is_closed_for_no_reason_is_a_command_without_a_reply(tap):
    async with Client(tap.url, timeout=20) as client:
        tap.freeze()
        sending = asyncio.create_task(client.send(probe.Add(counter="c1")))
        await closed_while_held(tap, client)
        with pytest.raises(NoReply):
            await sending
        tap.thaw()


async def test_a_connection_that_is_closed_for_no_reason_leaves_a_message_unconfirmed(tap):
    publisher = Publisher(tap.url, "closed", timeout=20)
    await publisher.connection()
    tap.freeze()
    publishing = asyncio.create_task(publisher.publish(Outgoing("", "nowhere", b"{}", "1", mandatory=False)))
    await closed_while_held(tap, publisher)
    with pytest.raises(Unconfirmed):
        await publishing
    tap.thaw()
    await publisher.close()


async def test_a_broker_that_hangs_up_at_once_leaves_messages_unconfirmed(tap):
    publisher = Publisher(tap.url, "hung-up", timeout=20)
    tap.refusing = True
    for number in range(30):  # how far a connection gets before it is seen to be closed differs
        with pytest.raises(Unconfirmed):
            await publisher.publish(Outgoing("", "nowhere", b"{}", str(number), mandatory=False))
    await publisher.close()
