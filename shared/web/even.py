"""Answers that take the same time, whatever was found: who asks must not learn from it whether an address is known."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SECONDS = 0.25
"""Longer than the work takes where nothing is in trouble."""


@asynccontextmanager
async def even() -> AsyncIterator[None]:
    """Ends when the block has, and not before so many seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + SECONDS
    yield
    await asyncio.sleep(end - loop.time())
