"""Stores that watch or break what passes through them."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from shared.store.port import Follow, Store

WRITES = frozenset({"insert", "insert_many", "save", "put", "trim", "update", "claim", "delete"})


class Counting:
    """Counts the calls of each method."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self._store, name)


class Killed(Exception):
    """Stands for the death of the process."""


class Dying:
    """Raises Killed once, before or after its n-th write (counted from 1) is done. It works again from then on.

    What follows from a write is a write of its own here, as on a store that cannot do both at once.
    """

    def __init__(self, store: Store, at: int = 0, *, after: bool = False) -> None:
        self._store = store
        self._at = at
        self._after = after
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        return self._watched(method) if name in WRITES else method

    def _watched(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, follow: Sequence[Follow] = (), **kwargs: Any) -> Any:
            self.writes += 1
            dies = self.writes == self._at
            if dies and not self._after:
                raise Killed
            result = await method(*args, **kwargs)
            if dies:
                raise Killed
            for each in follow:
                await self.put(each.collection, each.puts)
            return result

        return call
