"""Tells a cancellation that was meant from one that only came along, and what stands for no error of its own.

aiormq ends the waiting for an answer with CancelledError when the connection breaks: whoever waits is not to stop. When
it closes a connection without a reason, it ends it with a bare Exception.
"""

import asyncio


def is_cancelled() -> bool:
    """Whether somebody cancelled the running task; asked where a CancelledError was caught."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def is_nameless(error: BaseException) -> bool:
    """Whether it is aiormq's word for a connection that was closed: an Exception of no kind."""
    return type(error) is Exception
