"""Sends replies, on connections that nothing else depends on.

Where a reply goes is the sender's word, and it may be a bad one: RabbitMQ 3.10 breaks the connection (541) for a direct
reply-to that it cannot read, and a queue may be full for ever. That must not hold up events, retries and dead letters,
nor the replies to others.
"""

import asyncio

import structlog
from aiormq.exceptions import AMQPChannelError, ConnectionInternalError

from shared.messaging.publisher import Nacked, Outgoing, Publisher, Unconfirmed

log = structlog.get_logger()

LANES = 4
"""Connections at most for replies that are sent on one of their own."""


class Replies:
    """Sends replies side by side on one connection; what it broke with, one by one on connections of their own."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._publisher = Publisher(url, name)
        self._lanes = asyncio.Semaphore(LANES)

    async def send(self, answer: Outgoing) -> None:
        """Returns when the broker has taken it or will never take it. Unconfirmed where the broker is in trouble.

        A reply that does not arrive is not lost: it is kept, and the same command again gets it.
        """
        try:
            await self._publisher.publish(answer)
        except Nacked as error:
            _give_up(answer, error)
        except Unconfirmed:
            await self._alone(answer)

    async def close(self) -> None:
        """Close the connection."""
        await self._publisher.close()

    async def _alone(self, answer: Outgoing) -> None:
        """On a connection of its own it is clear whether it is this reply that the broker breaks the connection for."""
        async with self._lanes:
            lane = Publisher(self._url, f"{self._name}-alone")
            try:
                await lane.publish(answer)
            except Unconfirmed as error:
                if not isinstance(error, Nacked) and not isinstance(error.__cause__, NEVER):
                    raise
                _give_up(answer, error)
            finally:
                await lane.close()


NEVER = (ConnectionInternalError, AMQPChannelError)
"""What the broker says of a reply that it will not take the next time either."""


def _give_up(answer: Outgoing, error: Exception) -> None:
    log.warning("reply_undeliverable", reply_to=answer.routing_key, command=answer.correlation_id, error=str(error))
