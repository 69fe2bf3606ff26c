"""A client of the services, as any integrator may write one: commands with direct reply-to."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any, Self

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import PublishError

from shared.contracts.base import CONTENT_TYPE, Command, Envelope, Reply
from shared.messaging.cancelling import is_cancelled, is_nameless
from shared.messaging.publisher import FAULTS

REPLY_TO = "amq.rabbitmq.reply-to"


class NoReply(Exception):
    """No reply came in time; the command may or may not have been carried out. Send it again with the same id."""


class Client:
    """One connection that sends commands and awaits their replies, many at once. Lost, it is not made again."""

    def __init__(self, url: str, timeout: float = 30.0, source: str | None = None) -> None:
        self._url = url
        self._user = aio_pika.connection.make_url(url).user or "guest"
        self._source = source or f"/{self._user}"
        self._timeout = timeout
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._waiting: dict[str, asyncio.Future[Reply]] = {}

    async def __aenter__(self) -> Self:
        self._connection = await aio_pika.connect(self._url, timeout=10)
        self._connection.close_callbacks.add(self._lost)
        self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        replies = await self._channel.get_queue(REPLY_TO, ensure=False)
        await replies.consume(self._arrived, no_ack=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def send(self, command: Command, *, id: str | None = None, correlation: str | None = None) -> Reply:
        """Send a command and await its reply. NoReply after `timeout` seconds."""
        data = command.model_dump(mode="json", exclude_unset=True)
        return await self.send_data(command.service_name, command.routing_key(), data, id=id, correlation=correlation)

    async def send_data(
        self,
        service: str,
        routing_key: str,
        data: Mapping[str, Any],
        *,
        id: str | None = None,
        correlation: str | None = None,
    ) -> Reply:
        """The same with data that may be wrong: `routing_key` is <name>.v<N>."""
        envelope = Envelope(
            id=id or str(uuid.uuid4()),
            source=self._source,
            type=f"dk.rummelig.{service}.{routing_key}",
            data=dict(data),
            correlationid=correlation,
        )
        return await self.send_body(service, routing_key, envelope.to_json(), envelope.id)

    async def send_body(self, service: str, routing_key: str, body: bytes, id: str) -> Reply:
        """The same with any bytes; the reply is known by `id`."""
        assert self._channel is not None, "enter the client first"  # noqa: S101
        future = self._waiting.setdefault(id, asyncio.get_running_loop().create_future())
        exchange = await self._channel.get_exchange(f"{service}.commands", ensure=False)
        message = aio_pika.Message(
            body,
            content_type=CONTENT_TYPE,
            message_id=id,
            correlation_id=id,
            reply_to=REPLY_TO,
            user_id=self._user,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        try:
            async with asyncio.timeout(self._timeout):
                await exchange.publish(message, routing_key=routing_key, mandatory=True)
                return await asyncio.shield(future)
        except (Exception, asyncio.CancelledError) as error:
            if not (isinstance(error, FAULTS) or is_nameless(error)):
                raise
            if isinstance(error, asyncio.CancelledError) and is_cancelled():
                raise  # it was the caller who cancelled, not the client library that lost its connection
            why = f"no service takes commands for {service!r}" if isinstance(error, PublishError) else repr(error)
            raise NoReply(f"{service} {routing_key}: {why}; send it again with id {id}") from error
        finally:
            self._waiting.pop(id, None)
            if future.done() and not future.cancelled():
                future.exception()  # seen, also where the sending failed before anybody waited for the reply

    def _lost(self, *_: object) -> None:
        """Who waits hears at once that this connection brings nothing more."""
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError("the connection to the broker broke"))

    async def _arrived(self, message: AbstractIncomingMessage) -> None:
        future = self._waiting.get(message.correlation_id or "")
        if future is not None and not future.done():
            future.set_result(Reply.model_validate_json(message.body))
