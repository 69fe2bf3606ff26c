"""One at a time for each key, in the order of asking; different keys go on side by side."""

import asyncio
from collections import deque

type _Locks = dict[str, deque[asyncio.Future[None]]]
"""Key that is held -> who waits for it."""


class KeyedLock:
    """Locks by key that exist only while somebody holds or awaits them; first come, first served."""

    def __init__(self) -> None:
        self._locks: _Locks = {}

    def hold(self, key: str) -> "_Hold":
        """A place in the key's line, taken now. `async with`: wait for the turn and hold the key."""
        return _Hold(self._locks, key)


class _Hold:
    """A class of its own and no generator: every message passes here."""

    __slots__ = ("_key", "_locks", "_turn")

    def __init__(self, locks: _Locks, key: str) -> None:
        self._locks = locks
        self._key = key
        self._turn: asyncio.Future[None] | None = None
        queue = locks.get(key)
        if queue is None:
            locks[key] = deque()
        else:
            self._turn = asyncio.get_running_loop().create_future()
            queue.append(self._turn)

    async def __aenter__(self) -> None:
        turn = self._turn
        if turn is None:
            return
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._next()  # it was our turn already
            raise

    async def __aexit__(self, *_: object) -> None:
        self._next()

    def _next(self) -> None:
        queue = self._locks[self._key]
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._locks[self._key]
