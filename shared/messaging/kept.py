"""A channel for what is asked now and then, kept from one time to the next.

aio-pika keeps some 3 kB of every channel until its connection ends (10.2 takes its callbacks off another future than
the one that it put them on): one opened for each look makes a service grow by 150 MB a day.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from aio_pika.abc import AbstractChannel, AbstractConnection


class KeptChannel:
    """For one task. Opened at the first use, and again where the connection is another one or the channel ended."""

    def __init__(self, connection: Callable[[], Awaitable[AbstractConnection]]) -> None:
        """`connection` gives the open one, such as `Publisher.connection`."""
        self._connect = connection
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None

    @contextlib.asynccontextmanager
    async def use(self) -> AsyncIterator[AbstractChannel]:
        """The channel. Closed where the block fails, so that the broker takes back what it had in hand."""
        channel = await self._opened()
        try:
            yield channel
        except BaseException:
            self._channel = None
            with contextlib.suppress(Exception):
                await channel.close()
            raise

    async def _opened(self) -> AbstractChannel:
        connection = await self._connect()
        if self._channel is None or self._channel.is_closed or connection is not self._connection:
            self._connection, self._channel = connection, await connection.channel()
        return self._channel
