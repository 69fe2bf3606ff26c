"""A service whose store, or log, is not there: at its start, for hours, at its stop."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared import service as service_module
from shared.contracts.base import Envelope
from shared.messaging import subscription
from shared.messaging.publisher import Outgoing
from shared.messaging.topology import EVENTS_LOG, Binding, Topology
from shared.service import Service
from shared.settings import ServiceSettings
from shared.store.connect import connect
from shared.store.errors import Unavailable
from tests.messaging.probe import COUNTERS, SEEN, Add
from tests.support.running import until


class Plug:
    """A store that can be away: every method raises."""

    def __init__(self, url: str) -> None:
        self._store = connect(url)
        self.fault: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def call(*arguments: Any, **options: Any) -> Any:
            if self.fault is not None and name != "close":
                raise self.fault
            return await method(*arguments, **options)

        return call if asyncio.iscoroutinefunction(method) else method


@pytest.fixture
def plugs(monkeypatch):
    """The stores of services that are started from now on."""
    found: list[Plug] = []

    def plugged(url: str) -> Plug:
        found.append(Plug(url))
        return found[-1]

    monkeypatch.setattr(service_module, "connect", plugged)
    return found


def reasons(service: Any) -> Callable[[], Awaitable[list[str]]]:
    async def look() -> list[str]:
        found: list[str] = service.reasons()
        return found

    return look


async def test_a_store_that_fails_to_open_in_a_way_of_its_own_is_told_and_tried_again(start, plugs, monkeypatch):
    monkeypatch.setattr(service_module, "STORE_WATCH_SECONDS", 0.2)
    opened = Plug.__getattr__

    def away(plug: Plug, name: str) -> Any:
        plug.fault = plug.fault or (LookupError("no such host") if name == "open" and len(plugs) == 1 else None)
        return opened(plug, name)

    monkeypatch.setattr(Plug, "__getattr__", away)
    async with start(ready=False) as service:
        await until(reasons(service), lambda found: "store: no such host" in found)
        monkeypatch.setattr(Plug, "__getattr__", opened)
        plugs[0].fault = None
        await until(reasons(service), lambda found: not found)


async def test_commands_are_taken_while_there_is_no_log_and_events_wait_for_it(start, client, monkeypatch):
    real = Topology.log_binding
    monkeypatch.setattr(service_module, "LOG_PAUSES", (0.1,))
    monkeypatch.setattr(Topology, "log_binding", lambda _: Binding("not.there", EVENTS_LOG))
    async with start(ready=False) as service:
        await until(reasons(service), lambda found: [r.split(":")[0] for r in found] == ["log of events"])
        assert (await client.send(Add(counter="a"))).ok
        monkeypatch.setattr(Topology, "log_binding", real)
        await until(lambda: service.store.get(SEEN.collection, "a"))
        assert service.reasons() == []


async def test_a_log_that_is_gone_while_the_service_runs_is_missed(start, monkeypatch):
    real = Topology.log_binding
    monkeypatch.setattr(service_module, "LOG_PAUSES", (0.1,))
    monkeypatch.setattr(service_module, "LOG_LOOK_SECONDS", 0.1)
    async with start() as service:
        monkeypatch.setattr(Topology, "log_binding", lambda _: Binding("not.there", EVENTS_LOG))
        await until(reasons(service), lambda found: [r.split(":")[0] for r in found] == ["log of events"])
        assert "rummelig_log_bound 0.0" in service.metrics.render()[0].decode()
        monkeypatch.setattr(Topology, "log_binding", real)
        await until(reasons(service), lambda found: not found)
        assert "rummelig_log_bound 1.0" in service.metrics.render()[0].decode()


async def test_a_store_that_is_away_for_long_gets_no_messages_held_until_the_broker_gives_them_up(
    start, plugs, operator, dead, monkeypatch
):
    monkeypatch.setattr(subscription, "AWAY_LOOKS", 2)
    monkeypatch.setattr(subscription, "WATCH_SECONDS", 0.2)
    monkeypatch.setattr(service_module, "STORE_WATCH_SECONDS", 0.2)
    async with start() as service:
        plugs[0].fault = Unavailable("pulled the plug")
        for n in range(20):
            body = Envelope(id=f"m{n}", source="/x", type=Add.type(), data={"counter": f"c{n}"}).to_json()
            await operator.publish(Outgoing("", "probe.commands", body, f"m{n}"))

        async def queue() -> tuple[int, int]:
            channel = await (await operator.connection()).channel()
            found = await channel.declare_queue("probe.commands", passive=True)
            await channel.close()
            return found.declaration_result.consumer_count or 0, found.declaration_result.message_count or 0

        await until(queue, lambda found: found == (0, 20))
        plugs[0].fault = None

        async def done() -> int:
            return len([1 async for _ in service.store.everything(COUNTERS.collection)])

        await until(done, lambda n: n == 20)
        assert await dead.all() == []


async def test_a_stop_does_not_wait_for_a_store_that_is_away(start, plugs, client):
    loop = asyncio.get_running_loop()
    async with start() as service:
        plugs[0].fault = Unavailable("pulled the plug")
        sending = asyncio.create_task(client.send(Add(counter="a")))
        await until(reasons(service))
        stopped = loop.time()
    assert loop.time() - stopped < 4  # its grace is 5
    async with start():
        assert (await sending).ok


@pytest.mark.parametrize("deaf", ["count_dead_letters", "return_unrouted"])
async def test_a_stop_that_is_not_heard_at_first(start, monkeypatch, deaf):
    """aiormq loses a cancellation now and then that comes while a channel is closed."""
    heard: list[str] = []
    real = getattr(service_module, deaf)

    async def losing_one(*arguments: Any) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard.append("lost")
        await real(*arguments)

    monkeypatch.setattr(service_module, deaf, losing_one)
    async with asyncio.timeout(15):
        async with start():
            pass
    assert heard == ["lost"]


async def test_a_job_comes_to_its_end_at_a_stop(tmp_path):
    """Also without a broker, and while the rest has ended long since."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def job(_: Service) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.3)
            ended.set()

    settings = ServiceSettings(amqp_url="amqp://127.0.0.1:1/", store_url=f"sqlite:///{tmp_path}/probe.db")
    service = Service("probe", settings, commands={}, consumes={}, publishes=(), repositories=[], jobs=[job])
    app = service.asgi()
    async with app.router.lifespan_context(app):
        await begun.wait()
    assert ended.is_set()
