"""Lets aio-pika hand messages to their consumers at a fraction of the cost.

aio-pika asks at each of some twenty fields of a message whether it may still be set, and gives every message a task of
its own within the one that aiormq has made for it. `be_direct` does without both, for every consumer of the process.
tests/messaging/test_incoming.py compares the two.
"""

import inspect
from collections.abc import Callable
from typing import Any

from aio_pika import IncomingMessage, queue
from aiormq.abc import DeliveredMessage


def be_direct() -> None:
    """Change aio-pika for the whole process. Doing it again changes nothing."""
    queue.consumer = consumer


class Incoming(IncomingMessage):
    """A message whose fields nothing guards: once it is settled, changing them would tell nobody anything."""

    __slots__ = ()
    __setattr__ = object.__setattr__  # type: ignore[assignment]


async def consumer(callback: Callable[[Any], Any], msg: DeliveredMessage, *, no_ack: bool) -> Any:
    """What aiormq runs as a task for each message. It cancels that when the channel closes, and logs what it raises."""
    result = callback(Incoming(msg, no_ack=no_ack))
    return await result if inspect.isawaitable(result) else result
