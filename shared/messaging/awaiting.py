"""What is published and waited for: a message, those of one caller, and those of one turn of the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from shared.messaging.outgoing import Outgoing

if TYPE_CHECKING:
    from shared.messaging.batch import Lane


class Sent:
    """A message that somebody waits for: stands where aiormq has a future for the broker's word."""

    __slots__ = ("_ended", "call", "error", "lane", "message", "message_id", "over", "tag", "turn")

    def __init__(
        self, message: Outgoing, message_id: str, call: "Call", turn: "Turn", ended: Callable[["Sent"], None]
    ) -> None:
        self.message = message
        self.message_id = message_id
        self.call = call
        self.turn = turn
        self._ended = ended
        self.error: BaseException | None = None
        self.over = False
        self.lane: Lane | None = None
        self.tag = 0

    def end(self, error: BaseException | None) -> None:
        """It came to this end, unless it has ended before: the broker's word may come when nobody waits any more."""
        if not self.over:
            self.over, self.error = True, error
            if self.lane is not None:
                self.lane.forget(self)
            self._ended(self)

    def set_result(self, _: object) -> None:
        """The broker has taken it."""
        self.end(None)

    def set_exception(self, error: BaseException) -> None:
        """The broker has returned or refused it."""
        self.end(error)

    def done(self) -> bool:
        """Whether nobody waits for the broker's word any more."""
        return self.over

    def cancelled(self) -> bool:
        """Asked where the broker's word comes too late: nothing to warn of."""
        return True


class Call:
    """Messages that one caller waits for."""

    __slots__ = ("_left", "all")

    def __init__(self, count: int, all: asyncio.Future[None]) -> None:
        self._left = count
        self.all = all

    def ended(self) -> None:
        """One has come to its end."""
        self._left -= 1
        if not self._left and not self.all.done():
            self.all.set_result(None)


class Turn:
    """What was asked for within one turn of the event loop: all of it has the same time, and one timer tells."""

    __slots__ = ("_loop", "_seconds", "_timer", "_waiting", "began")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.began = loop.time()
        self._loop = loop
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: set[Sent] = set()

    def await_these(self, sent: Sequence[Sent]) -> None:
        """From now on."""
        self._waiting.update(sent)
        if self._timer is None and sent:
            self._timer = self._loop.call_later(self._seconds, self._late)

    def ended(self, sent: Sent) -> None:
        """It is not waited for any more."""
        self._waiting.discard(sent)
        if not self._waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        for each in list(self._waiting):
            each.end(TimeoutError())
