"""A network that says nothing: connections that are never answered, answers that never come."""

import asyncio

import pytest

from shared.messaging import subscription, unrouted
from tests.messaging import probe
from tests.messaging.conftest import REPOSITORIES
from tests.support.running import running, until
from tests.support.tap import tapped


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

        async def taken() -> int:
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

        async def taken() -> int:
            return tap.taken

        await until(taken, lambda n: n >= 2)
        assert attempts()
    assert not attempts()


async def test_who_waits_for_an_answer_that_never_comes_goes_on_when_the_connection_is_given_up(
    tap, tmp_path, monkeypatch
):
    monkeypatch.setattr(unrouted, "LOOK_SECONDS", 0.05)
    async with running(probe, REPOSITORIES, tmp_path, tap.url) as service:
        tap.freeze()

        async def held() -> int:
            return tap.held

        await until(held)  # the look for unrouted events asked for its channel
        await service.publisher.close()
        tap.thaw()
        looked = asyncio.Event()
        metered = service.metrics.unrouted
        monkeypatch.setattr(service.metrics, "unrouted", lambda name: (looked.set(), metered(name)))
        channel = await (await service.publisher.connection()).channel()
        underlay = await channel.get_underlay_channel()
        await underlay.basic_publish(b"{}", exchange="probe.events", routing_key="nobody.v1")
        async with asyncio.timeout(10):
            await looked.wait()
        queue = await channel.declare_queue("probe.unrouted", passive=True)
        await until(queue.purge, lambda done: bool(done.message_count))
