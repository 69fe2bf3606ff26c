"""Lets others go first, where a message may be what killed its consumer.

When a process dies, all that it had in hand comes back, and counts as delivered once more: the message that killed it
and the innocent ones beside it. They would come to the delivery limit together. So whoever was delivered several times
waits for a moment that chance decides: each time that the process dies some of the innocent had their turn before.
"""

import asyncio
import random

from aio_pika.abc import AbstractIncomingMessage

DELIVERIES = 2
"""So many without an answer are nothing yet: a process was stopped, a connection broke."""

SECONDS = 1.0


async def give_way(message: AbstractIncomingMessage) -> None:
    """Wait up to a second, if the broker has brought this message several times and never got an answer."""
    count = (message.headers or {}).get("x-delivery-count", 0)
    if isinstance(count, int) and count >= DELIVERIES:
        await asyncio.sleep(random.uniform(0, SECONDS))  # noqa: S311 - no secret
