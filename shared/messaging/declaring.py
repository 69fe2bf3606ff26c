"""Makes a topology true on a broker. What is there already with the same arguments stays as it is."""

from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity

from shared.messaging.kept import KeptChannel
from shared.messaging.topology import Binding, Topology, events_log


async def declare(connection: AbstractConnection, topology: Topology) -> None:
    """Declare a service's own exchanges and queues, and bind them.

    ChannelPreconditionFailed where something is there with other arguments: an operator has to look.
    """
    async with connection.channel() as channel:
        for exchange in topology.exchanges():
            await channel.declare_exchange(
                exchange.name, exchange.kind, durable=True, arguments=dict(exchange.arguments)
            )
        for queue in topology.queues():
            await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))
        for binding in topology.own_bindings():
            await bind(channel, binding)


async def subscribe(connection: AbstractConnection, topology: Topology) -> None:
    """Bind the input queues to the publishers' exchanges.

    ChannelNotFoundEntity where a publisher has not declared its exchange yet: try again later.
    """
    async with connection.channel() as channel:
        for binding in topology.subscriptions():
            await bind(channel, binding)


async def bind(channel: AbstractChannel, binding: Binding) -> None:
    """One binding, without asking for the ends first (which would need the right to configure them)."""
    underlay = await channel.get_underlay_channel()
    if binding.to_exchange:
        await underlay.exchange_bind(binding.destination, binding.source, binding.routing_key)
    else:
        await underlay.queue_bind(binding.destination, binding.source, binding.routing_key)


async def bind_log(kept: KeptChannel, topology: Topology) -> None:
    """Bind a service's outbox to the log of all events; apart, since nobody need wait for the log but the relay.

    The generated definitions make the log, which no service may configure; on a bare broker it is made here. They do
    not bind it: RabbitMQ 4 does not start again with definitions that bind a stream.
    """
    try:
        async with kept.use() as channel:
            await channel.declare_queue(events_log().name, passive=True)
    except ChannelNotFoundEntity as missing:
        try:
            async with kept.use() as channel:
                await channel.declare_queue(events_log().name, durable=True, arguments=dict(events_log().arguments))
        except ChannelAccessRefused:
            raise missing from None  # it says more: a log that is there may be "down or inaccessible"
    async with kept.use() as channel:
        await bind(channel, topology.log_binding())
