"""Every user against everything that is not its own, on a real broker with the generated definitions.

A try that is let through would show as an answer other than 403. The rights are checked before the thing is looked
for, so nothing needs to be there, and nothing that is there is harmed.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, ChannelPreconditionFailed
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity

from deploy.rabbitmq.definitions import definitions, topologies
from shared.contracts.base import Envelope
from shared.messaging import declaring, failing
from shared.messaging.client import Client
from shared.messaging.kept import KeptChannel
from shared.messaging.topology import AUDIT, EVENTS_LOG, Queue, Topology
from tests.messaging import probe
from tests.messaging.probe import COUNTERS, SEEN, Add, Added, Secret
from tests.support.running import running, until

type Act = Callable[[AbstractChannel, str], Awaitable[Any]]

TOPOLOGIES = {t.service: t for t in topologies()}
SERVICES = sorted(TOPOLOGIES)
USERS = [*SERVICES, "integrator"]
NOTHING = aio_pika.Message(b"x")


async def read(channel: AbstractChannel, queue: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).get(fail=False)


async def consume(channel: AbstractChannel, queue: str) -> None:
    await channel.set_qos(prefetch_count=1)  # a stream is not read without
    await (await channel.get_queue(queue, ensure=False)).consume(_nothing)


async def _nothing(_: AbstractIncomingMessage) -> None:
    """What would come is not looked at."""


async def purge(channel: AbstractChannel, queue: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).purge()


async def declare(channel: AbstractChannel, queue: str) -> None:
    await channel.declare_queue(queue, durable=True, arguments={"x-max-length": 1})


async def delete(channel: AbstractChannel, queue: str) -> None:
    await channel.queue_delete(queue)


def feed(user: str) -> Act:
    """Bind another's queue to an exchange that the user may read: it would get what it never asked for."""

    async def act(channel: AbstractChannel, queue: str) -> None:
        source = "supplier.events" if user == "integrator" else f"{user}.events"
        found = await channel.get_queue(queue, ensure=False)
        await found.bind(source, "never.sent")
        await found.unbind(source, "never.sent")

    return act


async def publish(channel: AbstractChannel, exchange: str) -> None:
    await (await channel.get_exchange(exchange, ensure=False)).publish(NOTHING, "a.b.v1", mandatory=False)


async def delete_exchange(channel: AbstractChannel, exchange: str) -> None:
    await channel.exchange_delete(exchange)


async def declare_exchange(channel: AbstractChannel, exchange: str) -> None:
    await channel.declare_exchange(exchange, "direct", durable=True)


def eavesdrop(user: str) -> Act:
    """Bind a queue that the user may configure to another's exchange."""

    async def act(channel: AbstractChannel, exchange: str) -> None:
        own = "integrator.ear" if user == "integrator" else f"{user}.commands"
        await (await channel.get_queue(own, ensure=False)).bind(exchange, "#")

    return act


@pytest.fixture
async def connect(broker: Any) -> AsyncIterator[Callable[[str], Awaitable[AbstractConnection]]]:
    """A connection for each user, closed at the end."""
    connections: dict[str, AbstractConnection] = {}

    async def connected(user: str) -> AbstractConnection:
        if user not in connections or connections[user].is_closed:
            connections[user] = await aio_pika.connect(broker.url(user))
        return connections[user]

    yield connected
    for each in connections.values():
        await each.close()


async def outcome(connection: AbstractConnection, act: Act, what: str) -> str:
    """`refused`, or what else came of it; on a channel of its own, which a refusal closes."""
    channel = await connection.channel(publisher_confirms=True)
    try:
        await act(channel, what)
    except ChannelAccessRefused:
        return "refused"
    except AMQPError as error:
        return f"{type(error).__name__}: {error}"
    else:
        await channel.close()
    return "let through"


def others(user: str) -> list[Topology]:
    return [t for name, t in TOPOLOGIES.items() if name != user]


@pytest.mark.parametrize("user", USERS)
async def test_nobody_touches_anothers_queue(connect, user: str):
    connection = await connect(user)
    queues = [q.name for t in others(user) for q in t.queues()]
    acts = {"read": read, "consume": consume, "purge": purge, "declare": declare, "delete": delete, "feed": feed(user)}
    found = {f"{name} {q}": await outcome(connection, act, q) for q in queues for name, act in acts.items()}
    assert len(found) > 100
    # Its right to write to the exchange of commands is one to the queue of the same name too: see the test below.
    known = {f"feed {name}.commands" for name in SERVICES} if user == "integrator" else set()
    assert {what for what, how in found.items() if how != "refused"} == known


@pytest.mark.parametrize("user", USERS)
async def test_nobody_publishes_under_anothers_name_or_changes_its_exchanges(connect, user: str):
    connection = await connect(user)
    exchanges = [e.name for t in others(user) for e in t.exchanges()]
    acts = (publish, delete_exchange, declare_exchange)
    found = {f"{act.__name__} {e}": await outcome(connection, act, e) for e in exchanges for act in acts}
    allowed = {f"publish {name}.commands" for name in SERVICES} if user == "integrator" else set()
    assert {what for what, how in found.items() if how != "refused"} == allowed


@pytest.mark.parametrize("user", SERVICES)
async def test_a_service_hears_the_events_that_it_consumes_and_nothing_else(connect, user: str):
    connection = await connect(user)
    mine = TOPOLOGIES[user]
    for other in others(user):
        for exchange in other.exchanges():
            heard = exchange.name == f"{other.service}.events" and other.service in mine.consumes
            if not heard:
                how = await outcome(connection, eavesdrop(user), exchange.name)
                assert how == "refused", exchange.name


async def test_an_integrator_hears_events_and_no_commands(connect):
    connection = await connect("integrator")
    for each in TOPOLOGIES.values():
        for exchange in each.exchanges():
            if exchange.name != f"{each.service}.events":
                how = await outcome(connection, eavesdrop("integrator"), exchange.name)
                assert how == "refused", exchange.name


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("act", [read, consume, purge, declare, delete])
async def test_the_log_of_all_events_and_the_audit_are_the_operators(connect, user: str, act: Act):
    """A service may bind its own outbox to the log: for that it has the right to write to it, and that alone."""
    for stream in (EVENTS_LOG, AUDIT):
        assert await outcome(await connect(user), act, stream) == "refused"


@pytest.mark.parametrize("user", USERS)
async def test_the_broker_takes_nobody_elses_name_on_a_message(broker, user: str):
    for forged in (*USERS, "operator", "guest"):
        if forged == user:
            continue
        connection = await aio_pika.connect(broker.url(user))
        channel = await connection.channel(publisher_confirms=True)
        own = await channel.get_exchange(
            "supplier.commands" if user == "integrator" else f"{user}.outbox", ensure=False
        )
        with pytest.raises(ChannelPreconditionFailed, match="user_id"):
            await own.publish(aio_pika.Message(b"x", user_id=forged), "a.b.v1", mandatory=False)
        await connection.close()


async def test_only_the_operator_is_an_administrator():
    tags = {user["name"]: user["tags"] for user in definitions()["users"]}
    assert {name for name, found in tags.items() if found} == {"operator"}


async def forged_event(broker: Any, user: str, headers: dict[str, str]) -> None:
    """An event in the probe's own name, put straight into its queue by the default exchange."""
    connection = await aio_pika.connect(broker.url(user))
    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
    event = Envelope(id=str(uuid.uuid4()), source="/probe", type=Added.type(), data={"counter": "forged", "total": 9})
    message = aio_pika.Message(event.to_json(), user_id=user, message_id=event.id, headers=dict(headers))
    await channel.default_exchange.publish(message, "probe.from.probe")
    await connection.close()


async def test_an_event_from_another_service_is_laid_aside_whatever_it_says(broker, tmp_path):
    """The default exchange is open to services, for replies: so each consumer looks at who sent it."""
    pretending = {failing.SENDER: "probe", failing.TRIES: "0"}
    async with running(probe, [COUNTERS, SEEN], tmp_path, broker.url("operator")) as service:
        for headers in ({}, pretending):
            await forged_event(broker, "supplier", headers)

        async def counted() -> str:
            return service.metrics.render()[0].decode()

        count = 'rummelig_dead_lettered_total{queue="probe.from.probe",reason="forbidden"} 2.0'
        await until(counted, lambda text: count in text)
        assert await service.store.get(SEEN.collection, "forged") is None


async def test_events_that_an_integrator_binds_to_commands_drown_nothing(broker, tmp_path):
    async with running(probe, [COUNTERS, SEEN], tmp_path, broker.url("operator")) as service:
        async with await aio_pika.connect(
            broker.url("operator")
        ) as connection:  # the probe is no service of the definitions
            channel = await connection.channel()
            commands = await channel.get_queue("probe.commands")
            await commands.bind("probe.events", "#")
            async with Client(broker.url("integrator"), timeout=15) as client:
                assert (await client.send(Add(counter="a"))).ok

                async def counted() -> str:
                    return service.metrics.render()[0].decode()

                await until(counted, lambda text: 'outcome="foreign",queue="probe.commands"' in text)
                await commands.unbind("probe.events", "#")
                assert (await client.send(Add(counter="a"))).ok
        assert "rummelig_dead_lettered_total{" not in await counted()


async def test_a_command_names_who_may_send_it_and_the_operator_may_send_all(broker, tmp_path):
    async with running(probe, [COUNTERS, SEEN], tmp_path, broker.url("operator")):
        async with Client(broker.url("integrator"), timeout=15) as client:
            assert (await client.send(Add(counter="a"))).ok
            refused = await client.send(Secret())
            assert refused.problem is not None
            assert refused.problem.status == 403
        async with Client(broker.url("operator"), timeout=15) as client:
            assert (await client.send(Secret())).ok


async def test_a_service_whose_log_is_gone_tells_that_and_not_that_it_may_not_make_one(connect, monkeypatch):
    monkeypatch.setattr(declaring, "events_log", lambda: Queue("no.such.log", {"x-queue-type": "stream"}))
    with pytest.raises(ChannelNotFoundEntity, match=r"no\.such\.log"):
        await declaring.bind_log(KeptChannel(partial(connect, "supplier")), TOPOLOGIES["supplier"])
