"""Calls that are made at the same time go to the store together: one round trip for all of them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from copy import deepcopy
from itertools import chain, islice

from shared.store.errors import Unavailable
from shared.store.port import Document, Put

MOST = 500
"""Calls to a round trip: a bound on how long the first of them waits for the last."""

FEW = 100
"""Documents of one call: who asks for more goes alone, and nobody waits for so much."""


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
    """Reads and writes by id of one collection, which go to the store together.

    It is given how the store does many: documents by ids, inserts (the ids of those left out), keyed writes.
    """

    def __init__(
        self,
        get_many: Callable[[Sequence[str]], Awaitable[dict[str, Document]]],
        insert_many: Callable[[Sequence[Document]], Awaitable[list[str]]],
        put: Callable[[Sequence[Put]], Awaitable[list[bool]]],
    ) -> None:
        self._get_many, self._insert_many, self._put_many = get_many, insert_many, put
        self._getting = Together(self._get_each)
        self._inserting = Together(self._insert_each)
        self._putting = Together(self._put_each)

    async def get(self, ids: Sequence[str]) -> dict[str, Document]:
        """Those that there are, by id."""
        return await (self._getting(ids) if len(ids) <= FEW else self._get_many(ids))

    async def insert(self, documents: Sequence[Document]) -> list[str]:
        """The ids of those left out; of one that several insert at once, the first is said to be in."""
        return await (self._inserting(documents) if len(documents) <= FEW else self._insert_many(documents))

    async def put(self, puts: Sequence[Put]) -> list[bool]:
        """For each, whether it took effect."""
        return await (self._putting(puts) if len(puts) <= FEW else self._put_many(puts))

    async def _get_each(self, asked: Sequence[Sequence[str]]) -> list[dict[str, Document]]:
        """For each a copy of its own where several ask for one."""
        times = Counter(chain.from_iterable(asked))
        found = await self._get_many(list(times))
        return [
            {each: deepcopy(found[each]) if times[each] > 1 else found[each] for each in ids if each in found}
            for ids in asked
        ]

    async def _insert_each(self, asked: Sequence[Sequence[Document]]) -> list[list[str]]:
        """For each those that were left out: of several with one id the first is in."""
        left_out = Counter(await self._insert_many(list(chain.from_iterable(asked))))
        answers: list[list[str]] = []
        for documents in reversed(asked):
            mine = []
            for document in reversed(documents):
                if left_out[document["_id"]] > 0:
                    left_out[document["_id"]] -= 1
                    mine.append(document["_id"])
            answers.append(mine[::-1])
        return answers[::-1]

    async def _put_each(self, asked: Sequence[Sequence[Put]]) -> list[list[bool]]:
        done = iter(await self._put_many(list(chain.from_iterable(asked))))
        return [list(islice(done, len(puts))) for puts in asked]
