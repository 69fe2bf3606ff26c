"""Stores that watch or break what passes through them."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from shared.store.port import Between, Collection, Follow, Store, Where, serving_index

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


class Explained:
    """Has a SQLite store explain each query of a new shape before it is made: it must use the index that is declared
    for it, and neither go through a whole collection nor sort what it found. `plain` is asked for the plans.
    """

    def __init__(self, store: Store, plain: Store) -> None:
        self._store = store
        self._plain = plain
        self.shapes: set[tuple[str, ...]] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def find(self, collection: Collection, where: Where, *, order: str | None = None, **rest: Any) -> Any:
        await self._explain("find", collection, where, order)
        return await self._store.find(collection, where, order=order, **rest)

    async def claim(self, collection: Collection, where: Where, *, due: str, now: Any, **rest: Any) -> Any:
        await self._explain("find", collection, {**where, due: Between(at_most=now)}, due)
        return await self._store.claim(collection, where, due=due, now=now, **rest)

    async def update(self, collection: Collection, where: Where, **rest: Any) -> Any:
        await self._explain("update", collection, where)
        return await self._store.update(collection, where, **rest)

    async def count(self, collection: Collection, where: Where) -> int:
        await self._explain("count", collection, where)
        return await self._store.count(collection, where)

    async def tally(self, collection: Collection, field: str, where: Where) -> Any:
        await self._explain("tally", collection, where)
        return await self._store.tally(collection, field, where)

    async def delete(self, collection: Collection, where: Where) -> int:
        await self._explain("delete", collection, where)
        return await self._store.delete(collection, where)

    async def _explain(self, method: str, collection: Collection, where: Where, order: str | None = None) -> None:
        conditions = (f"{field} {type(condition).__name__}" for field, condition in where.items())
        shape = (method, collection.name, order or "", *conditions)
        if shape in self.shapes:
            return
        plan = await self._plain.explain(collection, where, order)
        index = serving_index(collection, where, order)
        table = f"i/{collection.name}/{index.name}" if index else f"c/{collection.name}"
        if where or order:  # else all is asked for, by id
            assert f"SEARCH {table}" in plan, f"{shape}: {plan}"
            assert "SCAN c/" not in plan, f"{shape}: {plan}"
            assert "SCAN i/" not in plan, f"{shape}: {plan}"
        assert method != "find" or "TEMP B-TREE" not in plan, f"{shape} sorts: {plan}"
        self.shapes.add(shape)
