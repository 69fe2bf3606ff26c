"""An integrator as docs/integrators.md asks for: no reply means the same command again, with the same id."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self

import aio_pika
from aio_pika.exceptions import AMQPError

from shared.contracts.base import Command, Envelope, Reply
from shared.messaging.client import Client, NoReply

PATIENCE_SECONDS = 90.0


class Persistent:
    """Sends until there is a reply, on a new connection where the old one broke."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.__aexit__()

    async def send(self, command: Command, id: str) -> Reply:
        """The reply, however often the command had to be sent."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                client = await self._connected()
                try:
                    return await client.send(command, id=id)
                except NoReply:
                    await self._drop(client)

    async def _connected(self) -> Client:
        async with self._connecting:
            while self._client is None:
                with suppress(AMQPError, OSError, TimeoutError):
                    self._client = await Client(self._url, timeout=20).__aenter__()
                    break
                await asyncio.sleep(0.1)
            return self._client

    async def _drop(self, client: Client) -> None:
        if self._client is client:
            self._client = None
            with suppress(AMQPError, OSError, RuntimeError):
                await client.__aexit__()


@asynccontextmanager
async def hearing(url: str, service: str) -> AsyncIterator[list[Envelope]]:
    """Every event of a service, as often as it comes, on a durable queue of an integrator's own.

    A classic queue: RabbitMQ 3.10 leaves a quorum queue that was declared a moment before kill -9 without a leader in
    about every second case, and blocks every publisher to it for 65 seconds a time.
    """
    events: list[Envelope] = []
    name = f"integrator.hearing.{uuid.uuid4().hex[:8]}"
    bound = asyncio.Event()
    task = asyncio.create_task(_hear(url, service, name, events, bound))
    await bound.wait()
    try:
        yield events
    finally:
        task.cancel()
        await asyncio.wait([task])
        async with await aio_pika.connect(url) as connection:
            await (await connection.channel()).queue_delete(name)


async def _hear(url: str, service: str, name: str, events: list[Envelope], bound: asyncio.Event) -> None:
    while True:
        with suppress(AMQPError, OSError, RuntimeError):
            async with await aio_pika.connect(url, timeout=10) as connection:
                channel = await connection.channel()
                await channel.set_qos(prefetch_count=50)
                queue = await channel.declare_queue(name, durable=True)
                await queue.bind(f"{service}.events", "#")
                bound.set()
                async with queue.iterator() as messages:
                    async for message in messages:
                        events.append(Envelope.model_validate_json(message.body))
                        await message.ack()
        await asyncio.sleep(0.2)
