"""Calls that are made at the same time go to the store together: one round trip for all of them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import deepcopy

from shared.store.errors import Unavailable
from shared.store.port import Document, Put

MOST = 500
"""Calls to a round trip: a bound on how long the first of them waits for the last."""


class Together[Asked, Answer]:
    """While one round trip is under way the next collects. Who calls alone is not held up.

    `ask` takes many and answers in their order. Where it fails on many for another reason than that the store is away,
    each is asked by itself: what is wrong with one is not told to others.
    """

    def __init__(self, ask: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer]]]) -> None:
        self._ask = ask
        self._waiting: list[tuple[Asked, asyncio.Future[Answer]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def __call__(self, asked: Asked) -> Answer:
        """The answer to this one."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((asked, answer))
        if self._asking is None or self._asking.done():
            self._asking = loop.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        while self._waiting:
            some, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            try:
                await self._answer(some)
            except asyncio.CancelledError:
                for _, waiting in [*some, *self._waiting]:
                    waiting.cancel()
                raise

    async def _answer(self, some: Sequence[tuple[Asked, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._ask([asked for asked, _ in some])
        except Exception as error:  # noqa: BLE001 - whatever it is, who waits gets it
            if len(some) > 1 and not isinstance(error, Unavailable):
                for each in some:
                    await self._answer([each])
                return
            for _, waiting in some:
                if not waiting.done():  # else nobody waits any more
                    waiting.set_exception(error)
        else:
            for (_, waiting), answer in zip(some, answers, strict=True):
                if not waiting.done():
                    waiting.set_result(answer)


class Grouped:
    """Reads and writes of single documents of one collection, which go to the store together.

    It is given how the store does many: documents by ids, inserts (the ids of those left out), keyed writes.
    """

    def __init__(
        self,
        get_many: Callable[[Sequence[str]], Awaitable[Mapping[str, Document]]],
        insert_many: Callable[[Sequence[Document]], Awaitable[list[str]]],
        put: Callable[[Sequence[Put]], Awaitable[list[bool]]],
    ) -> None:
        self._get_many, self._insert_many, self._put_many = get_many, insert_many, put
        self._getting = Together(self._get_each)
        self._inserting = Together(self._insert_each)
        self._putting = Together(put)

    async def get(self, id: str) -> Document | None:
        """One document by id."""
        return await self._getting(id)

    async def insert(self, documents: Sequence[Document]) -> list[str]:
        """The ids of those left out."""
        if len(documents) == 1:
            return [documents[0]["_id"]] if await self._inserting(documents[0]) else []
        return await self._insert_many(documents)

    async def put(self, puts: Sequence[Put]) -> list[bool]:
        """For each, whether it took effect."""
        return [await self._putting(puts[0])] if len(puts) == 1 else await self._put_many(puts)

    async def _get_each(self, ids: Sequence[str]) -> list[Document | None]:
        """For each a copy of its own where several ask for one."""
        found = await self._get_many(ids)
        given = [found.get(each) for each in ids]
        return given if len(set(ids)) == len(ids) else [deepcopy(document) for document in given]

    async def _insert_each(self, documents: Sequence[Document]) -> list[bool]:
        """For each, whether it was left out: of several with one id the first is in."""
        times = Counter(await self._insert_many(documents))
        found = []
        for document in reversed(documents):
            found.append(times[document["_id"]] > 0)
            times[document["_id"]] -= 1
        return found[::-1]
