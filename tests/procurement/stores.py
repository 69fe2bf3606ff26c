"""Stores that stop at a chosen point: what races and crashes are made of. All else goes to the store below."""

import asyncio
from typing import Any

from shared.store.errors import Unavailable
from shared.store.port import Collection, Store


class Gated:
    """Every search of the named collection waits at the gate until it is opened."""

    def __init__(self, store: Store, *collections: str) -> None:
        self._store = store
        self._collections = collections
        self.gate = asyncio.Event()
        self.waiting = asyncio.Semaphore(0)
        """Released once for each search that has come to the gate."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def find(self, collection: Collection, *args: Any, **kwargs: Any) -> Any:
        if collection.name in self._collections:
            self.waiting.release()
            await self.gate.wait()
        return await self._store.find(collection, *args, **kwargs)


class Failing:
    """Goes away before call number `at` (counted from 0), as if the process had died there; then it is back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.at = -1

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def called(*args: Any, **kwargs: Any) -> Any:
            self.at -= 1
            if self.at == -1:
                raise Unavailable("gone")
            return await found(*args, **kwargs)

        return called
