"""Tells a cancellation that was meant from one that only came along, and what stands for no error of its own.

aiormq ends the waiting for an answer with CancelledError when the connection breaks: whoever waits is not to stop. When
it closes a connection without a reason, it ends it with a bare Exception.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any


def is_cancelled() -> bool:
    """Whether somebody cancelled the running task; asked where a CancelledError was caught."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def fault_of(doing: Awaitable[None]) -> BaseException | None:
    """What it raised. A cancellation that nobody meant is a fault like any other."""
    try:
        await doing
    except (Exception, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError) and is_cancelled():
            raise
        return error
    return None


def is_nameless(error: BaseException) -> bool:
    """Whether it is aiormq's word for a connection that was closed: an Exception of no kind."""
    return type(error) is Exception


async def end(tasks: Iterable[asyncio.Task[Any]], again: float) -> None:
    """Cancel, every `again` seconds anew, until all have ended.

    Once is not always enough: a cancellation that comes while a channel is closed can get lost in aiormq. Whoever
    closed it goes on as if nothing had been said, or waits for the broker's answer for ever.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again)
