"""Publishes with the broker's word for it, on a connection of its own.

Its own, since the broker blocks publishing connections under an alarm, and since a channel error here must not take
consumers along (ADR 3). Not a robust one: what failed is published again by who called, with the same id, and the
next call connects anew.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aio_pika.exceptions import AMQPError, DeliveryError, PublishError

from shared.contracts.base import CONTENT_TYPE
from shared.messaging.cancelling import is_cancelled, is_nameless
from shared.messaging.keyed import KeyedLock
from shared.messaging.leniency import be_lenient
from shared.observability import tracing

be_lenient()  # here, since every connection that reads other people's messages is made through this module

HEARTBEAT = 8
"""Seconds. aiormq gives a silent connection up after 3 * (this + 1), and looks every half of it: 31 at the latest."""

RECONNECT_SECONDS = 1.0

RENEW_SECONDS = 20.0
"""How long the broker may say that a queue is full before it is asked on a new channel. It keeps that in mind for each
channel until messages are taken out, also where somebody has raised the limit (seen with RabbitMQ 3.10). Longer than a
publish may take, so that nothing is under way on the channel before the last when that is closed."""

BREAKS = (AMQPError, OSError, TimeoutError, RuntimeError, EOFError, StopAsyncIteration, asyncio.InvalidStateError)
FAULTS = (*BREAKS, asyncio.CancelledError)
"""What aio-pika and aiormq raise when a connection breaks or a channel ends while somebody waits; StopAsyncIteration
where a broker that is just starting takes a connection and hangs up at once."""


class Unconfirmed(Exception):
    """The broker did not say that it took the message; it may or may not have. Publish again with the same id."""


class Unroutable(Unconfirmed):
    """No queue is there for the message."""


class Nacked(Unconfirmed):
    """A queue would not take the message: it is full."""


@dataclass(frozen=True)
class Outgoing:
    """A message on its way out."""

    exchange: str
    routing_key: str
    body: bytes
    message_id: str
    headers: dict[str, Any] = field(default_factory=dict)
    content_type: str = CONTENT_TYPE
    correlation_id: str | None = None
    reply_to: str | None = None
    mandatory: bool = True
    traceparent: str | None = None
    """Publishing it is a step of this trace."""


class Publisher:
    """A connection that publishes persistent messages with confirms, mandatory, and the user's name on them."""

    def __init__(self, url: str, name: str, timeout: float = 10.0) -> None:
        self._url = url
        self._name = name
        self._timeout = timeout
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._retired: AbstractChannel | None = None
        self._renewed = 0.0
        self._exchanges: dict[str, AbstractExchange] = {}
        self._opening = asyncio.Lock()
        self._ids = KeyedLock()

    @property
    def user(self) -> str:
        """The broker user that the connection logs in as."""
        return aio_pika.connection.make_url(self._url).user or "guest"

    @property
    def connected(self) -> bool:
        """Whether the last known state is connected."""
        return self._channel is not None and not self._channel.is_closed

    async def publish(self, message: Outgoing) -> None:
        """Publish one; returns when the broker has taken it. Unconfirmed after `timeout` seconds or any fault."""
        if message.traceparent is None:
            await self._publish(message)
            return
        with tracing.span(f"publish {message.exchange} {message.routing_key}", message.traceparent, kind="producer"):
            await self._publish(message)

    async def _publish(self, message: Outgoing) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                exchange = await self._exchange(message.exchange)
                # The client library matches what the broker returns by message id: never the same id twice in flight.
                async with self._ids.hold(message.message_id):
                    await exchange.publish(
                        self._amqp(message), routing_key=message.routing_key, mandatory=message.mandatory
                    )
        except PublishError as error:
            raise Unroutable(f"{message.exchange}/{message.routing_key}: no queue took it") from error
        except DeliveryError as error:
            await self._renew()
            raise Nacked(f"{message.exchange}/{message.routing_key}: a queue refused it") from error
        except (Exception, asyncio.CancelledError) as error:
            if not (isinstance(error, FAULTS) or is_nameless(error)):
                raise
            if isinstance(error, asyncio.CancelledError) and is_cancelled():
                raise
            raise Unconfirmed(f"{message.exchange}/{message.routing_key}: {error!r}") from error

    async def publish_many(self, messages: Sequence[Outgoing]) -> list[BaseException | None]:
        """Publish side by side, in order on the wire; for each None or what went wrong."""
        return await asyncio.gather(*(self.publish(m) for m in messages), return_exceptions=True)

    async def connection(self) -> AbstractConnection:
        """The open connection; made where there is none."""
        await self._exchange("")
        assert self._connection is not None  # noqa: S101 - _exchange made it
        return self._connection

    async def stay_connected(self) -> None:
        """Connect anew when the connection is lost, for ever. Publishing does so too, but may have nothing to do."""
        while True:
            if not self.connected:
                with contextlib.suppress(*BREAKS):
                    async with asyncio.timeout(self._timeout):
                        await self.connection()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection, self._channel = self._connection, None, None
        self._exchanges.clear()
        if connection is not None:
            with contextlib.suppress(AMQPError, OSError, TimeoutError):
                async with asyncio.timeout(2):
                    await connection.close()

    async def _exchange(self, name: str) -> AbstractExchange:
        if not self.connected or name not in self._exchanges:
            async with self._opening:
                if not self.connected:
                    await self._open()
                if name not in self._exchanges:
                    self._exchanges[name] = await self._get(name)
        return self._exchanges[name]

    async def _get(self, name: str) -> AbstractExchange:
        assert self._channel is not None  # noqa: S101 - _open made it
        return await self._channel.get_exchange(name, ensure=False) if name else self._channel.default_exchange

    async def _open(self) -> None:
        await self.close()
        self._connection = await aio_pika.connect(
            self._url, heartbeat=HEARTBEAT, timeout=self._timeout, client_properties={"connection_name": self._name}
        )
        self._channel, self._retired, self._renewed = await self._new_channel(), None, time.monotonic()

    async def _renew(self) -> None:
        """Another channel, unless this one is young."""
        if time.monotonic() - self._renewed < RENEW_SECONDS or self._opening.locked():
            return
        async with self._opening:
            self._renewed = time.monotonic()
            with contextlib.suppress(*FAULTS):
                async with asyncio.timeout(self._timeout):
                    if self._retired is not None:
                        await self._retired.close()
                    self._retired, self._channel = self._channel, await self._new_channel()
                    self._exchanges.clear()

    async def _new_channel(self) -> AbstractChannel:
        assert self._connection is not None  # noqa: S101 - whoever calls has one
        return await self._connection.channel(publisher_confirms=True, on_return_raises=True)

    def _amqp(self, message: Outgoing) -> aio_pika.Message:
        return aio_pika.Message(
            message.body,
            content_type=message.content_type,
            message_id=message.message_id,
            correlation_id=message.correlation_id,
            reply_to=message.reply_to,
            headers=message.headers,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            user_id=self.user,
        )
