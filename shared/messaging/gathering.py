"""Messages that wait for one key are handled together, in their order, where their handler can.

A hot aggregate then costs one load and one write for all that came while the last write was under way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.messaging.keyed import KeyedLock
from shared.store.work import Work

MOST = 64
"""Messages to a write: what it adds to the document is bounded, and so is what the first of them waits for the last."""

type Decide[Result] = Callable[[Any, Work], Awaitable[Result]]
"""`async def decide(message, work) -> result`."""


class Gathered:
    """A handler of all messages of one key that wait at the same time.

    `async def verb_object(messages, work) -> decide`: loads with `work` what it takes to decide on all of them. Then
    `async def decide(message, work) -> result` is called for one after another and saves, or raises what refuses that
    one alone. What they save is one aggregate, each time at the version after the last one's.
    """

    def __init__(self, load: Callable[[Any, Work], Awaitable[Decide[Any]]]) -> None:
        self.load = load
        self.__module__, self.__name__, self.__doc__ = load.__module__, load.__name__, load.__doc__


@dataclass
class _Group[Unit]:
    handler: Gathered
    waiting: list[tuple[Unit, asyncio.Future[None]]] = field(default_factory=list)


class Gathering[Unit]:
    """Who comes for a key while those before hold it. `handle` brings each of them to its outcome, or to its error."""

    def __init__(
        self, keys: KeyedLock, handle: Callable[[Sequence[Unit], Gathered], Awaitable[list[BaseException | None]]]
    ) -> None:
        self._keys = keys
        self._handle = handle
        self._open: dict[str, _Group[Unit]] = {}
        self._running: set[asyncio.Task[None]] = set()

    def close(self, key: str) -> None:
        """Who comes from now on goes behind who asks for the key now."""
        self._open.pop(key, None)

    async def join(self, key: str, unit: Unit, handler: Gathered) -> None:
        """Return when it was handled with the others; raises what befell it."""
        group = self._open.get(key)
        loop = asyncio.get_running_loop()
        if group is None or group.handler is not handler or len(group.waiting) >= MOST:
            group = self._open[key] = _Group(handler)
            # A task of its own: who waits may be cancelled, and the others must not be. It comes to its end by itself.
            running = loop.create_task(self._run(self._keys.hold(key), key, group))
            self._running.add(running)
            running.add_done_callback(self._running.discard)
        done: asyncio.Future[None] = loop.create_future()
        group.waiting.append((unit, done))
        await done

    async def _run(self, turn: Any, key: str, group: _Group[Unit]) -> None:
        try:
            async with turn:
                self._shut(key, group)
                waiting = [each for each in group.waiting if not each[1].cancelled()]
                errors = await self._handle([unit for unit, _ in waiting], group.handler)
                for (_, done), error in zip(waiting, errors, strict=True):
                    _tell(done, error)
        except BaseException as error:  # whatever ends this task, nobody waits for it for ever
            self._shut(key, group)
            for _, done in group.waiting:
                _tell(done, error)
            raise

    def _shut(self, key: str, group: _Group[Unit]) -> None:
        if self._open.get(key) is group:
            del self._open[key]


def _tell(done: asyncio.Future[None], error: BaseException | None) -> None:
    if done.done():
        return  # nobody waits any more
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
