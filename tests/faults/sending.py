"""Sends commands as docs/integrators.md asks for: unanswered means again, with the same id, until it is answered."""

import asyncio
from contextlib import suppress
from typing import Self

from aio_pika.exceptions import AMQPError

from shared.contracts.base import Reply
from shared.messaging.client import Client, NoReply
from tests.faults.ledger import Ledger, Sent

ANSWER_SECONDS = 4.0
"""How long one sending waits for its answer."""
PAUSE_SECONDS = 0.2
IN_ROW = 5
"""So many sendings without an answer, one after the other, and the connection is made anew."""


class Sender:
    """One connection at a time, many commands side by side; every answer goes into the ledger."""

    def __init__(self, url: str, ledger: Ledger) -> None:
        self._url = url
        self._ledger = ledger
        self._client: Client | None = None
        self._connecting = asyncio.Lock()
        self._unanswered = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._drop(self._client)

    async def send(self, sent: Sent) -> Reply:
        """The answer, however often it has to be sent. Cancel it where the patience ends."""
        self._ledger.commands.setdefault(sent.id, sent)
        while True:
            client = await self._connected()
            sent.sends += 1
            try:
                reply = await client.send_data(sent.service, sent.key, sent.data, id=sent.id)
            except NoReply as none:
                self._unanswered += 1
                # A slow service is no reason to break off what others wait for.
                if not isinstance(none.__cause__, TimeoutError) or self._unanswered % IN_ROW == 0:
                    await self._drop(client)
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                self._unanswered = 0
                sent.replies.append(reply.to_json().decode())
                return reply

    async def _connected(self) -> Client:
        async with self._connecting:
            while self._client is None:
                client = Client(self._url, timeout=ANSWER_SECONDS)
                try:
                    async with asyncio.timeout(ANSWER_SECONDS):
                        self._client = await client.__aenter__()
                except (AMQPError, OSError, TimeoutError, RuntimeError, StopAsyncIteration):
                    await _closed(client)
                    await asyncio.sleep(PAUSE_SECONDS)
            return self._client

    async def _drop(self, client: Client) -> None:
        if self._client is client:
            self._client = None
            await _closed(client)


async def _closed(client: Client) -> None:
    with suppress(AMQPError, OSError, RuntimeError, TimeoutError):
        async with asyncio.timeout(1):
            await client.__aexit__()
