"""A client as docs/integrators.md asks for: no reply means the same command again, with the same id."""

import asyncio
from contextlib import suppress
from typing import Self

from aio_pika.exceptions import AMQPError

from shared.contracts.base import Command, Reply
from shared.messaging.client import Client, NoReply

PATIENCE_SECONDS = 90.0


class Persistent:
    """Sends until there is a reply, on a new connection where the old one broke."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Client | None = None
        self._connecting = asyncio.Lock()
        self.replies = 0
        self.repeated = 0

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
                    reply = await client.send(command, id=id)
                except NoReply:
                    self.repeated += 1
                    await self._drop(client)
                else:
                    self.replies += 1
                    return reply

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
