"""Tells a cancellation that was meant from one that only came along.

aiormq ends the waiting for an answer with CancelledError when the connection breaks: whoever waits is not to stop.
"""

import asyncio


def is_cancelled() -> bool:
    """Whether somebody cancelled the running task; asked where a CancelledError was caught."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
