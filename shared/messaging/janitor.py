"""Forgets inbox entries whose time is over: a duplicate after that would be handled again."""

import asyncio
from datetime import UTC, datetime, timedelta

from shared.store.port import Between, Store
from shared.store.work import INBOX

KEPT = timedelta(days=30)
EVERY_SECONDS = 3600.0


async def forget_old(store: Store) -> None:
    """Once an hour, for ever. A TTL index would do it too, but with no promise when."""
    while True:
        await forget(store, datetime.now(UTC))
        await asyncio.sleep(EVERY_SECONDS)


async def forget(store: Store, now: datetime) -> None:
    """Those whose time is over now."""
    await store.delete(INBOX, {"at": Between(below=now - KEPT)})
