"""The sending address's throttle in the store: shared by all workers, kept across restarts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from services.notifications.domain import Pace, Throttle
from services.notifications.store import THROTTLES
from shared.store.port import Put, Store


@dataclass
class Pacer:
    """How many mails may go now. Where no rate is set it is only read, and written when the server asks for a rest."""

    store: Store
    sender: str
    pace: Pace
    clock: Callable[[], datetime]
    _struck: bool = False

    async def room(self, wanted: int) -> int | None:
        """How many campaign mails may go now; None while the server wants a rest from all."""
        throttle = await self._load()
        self._struck = throttle.strikes > 0
        now = self.clock()
        return None if throttle.rests(now) else throttle.room(wanted, self.pace, now)

    async def used(self, mails: int) -> None:
        """So many go out."""
        if self.pace.rate and mails:
            await self._change(lambda throttle: throttle.used(mails, self.pace, self.clock()))

    async def strike(self) -> None:
        """The server asked for a rest."""
        self._struck = True
        await self._change(lambda t: t if t.rests(self.clock()) else t.struck(self.clock()))

    async def went_well(self) -> None:
        """The server took a mail."""
        if self._struck:
            self._struck = False
            await self._change(Throttle.recovered)

    async def _load(self) -> Throttle:
        document = await self.store.get(THROTTLES.collection, self.sender)
        if document is None:
            return Throttle.full(self.sender, self.pace, self.clock())
        return THROTTLES.to_aggregate(document)

    async def _change(self, change: Callable[[Throttle], Throttle]) -> None:
        while True:
            before = await self._load()
            after = change(before)
            if after == before:
                return
            put = Put(after.id, THROTTLES.to_fields(after, after.version))
            (done,) = await self.store.put(THROTTLES.collection, [put])
            if done:
                return
