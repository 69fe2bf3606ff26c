"""Deliveries in the store: who holds which, what was begun, how it ended. Every change is one conditional write."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from services.notifications.domain import Delivery, Suppression
from services.notifications.sending.smtp import NotMine
from services.notifications.store import DELIVERIES, SUPPRESSIONS
from shared.contracts.base import Envelope, Event
from shared.observability import tracing
from shared.store.errors import Unavailable
from shared.store.port import Put, Store, Where
from shared.store.work import Pending, Work

log = structlog.get_logger()

STORE_PAUSE_SECONDS = 0.5
SERVICE = "notifications"


@dataclass(frozen=True)
class Ledger:
    """`worker` names this process among all; `offer` takes what is to be relayed."""

    store: Store
    worker: str
    lease: timedelta
    clock: Callable[[], datetime]
    offer: Callable[[Sequence[Pending]], None]

    async def claim(self, where: Where, limit: int) -> list[Delivery]:
        """Queued deliveries that are due, leased to this worker."""
        now = self.clock()
        found = await self.store.claim(
            DELIVERIES.collection,
            {**where, "state": "queued"},
            due="due_at",
            now=now,
            until=now + self.lease,
            by=self.worker,
            limit=limit,
        )
        return [DELIVERIES.to_aggregate(document) for document in found]

    async def begin(self, delivery: Delivery) -> Delivery:
        """Mark that it is being handed over. NotMine where somebody else began it, or it is no longer wanted.

        The version grows with the state: of two who claimed it, one after the other's lease, the first to begin has it.
        Those that are begun at the same time are written together.
        """
        begun = delivery.begun(self.clock() + self.lease)
        (done,) = await self.store.put(
            DELIVERIES.collection, [Put(begun.id, DELIVERIES.to_fields(begun, begun.version))]
        )
        if not done:
            raise NotMine(delivery.id)
        return begun

    async def renew(self, delivery: Delivery) -> None:
        """A sign of life for what is being handed over."""
        until = self.clock() + self.lease
        # `beats` tells even those whose clock differs from ours that we live.
        await self.store.update(
            DELIVERIES.collection, self._held(delivery), set={"due_at": until}, increment={"beats": 1}
        )

    async def release(self, delivery: Delivery) -> None:
        """Give back what was claimed and not begun."""
        where = {**self._held(delivery), "claimed_by": self.worker}
        await self.store.update(DELIVERIES.collection, where, set={"due_at": self.clock()})

    async def end(self, after: Delivery, events: Sequence[Event] = ()) -> bool:
        """Write how it stands now, and tell it; False where somebody else was faster.

        The mail may be out: while the store is away this waits for it.
        """
        work = self._work(after)
        (done,) = await self.patiently(after, lambda: work.put(DELIVERIES, (after, events)))
        self.offer(work.pending)
        return done

    async def suppress(self, delivery: Delivery, detail: str) -> None:
        """No mail goes to this address any more. The server has said so: while the store is away this waits for it."""
        entry = Suppression(id=delivery.address_id, version=1, reason="hard-bounce", detail=detail, at=self.clock())
        await self.patiently(delivery, lambda: self._work(delivery).put(SUPPRESSIONS, entry))

    async def patiently[T](self, delivery: Delivery, act: Callable[[], Awaitable[T]]) -> T:
        """Do it, again and again while the store is away."""
        while True:
            try:
                return await act()
            except Unavailable as error:
                log.warning("store_away", error=str(error), mail_id=delivery.id)
                await asyncio.sleep(STORE_PAUSE_SECONDS)

    @staticmethod
    def _held(delivery: Delivery) -> dict[str, Any]:
        return {"_id": delivery.id, "version": delivery.version, "state": delivery.state}

    def _work(self, delivery: Delivery) -> Work:
        message = Envelope(
            id=f"mail:{delivery.id}:{delivery.version}",
            source=f"/{SERVICE}/jobs",
            type="job",
            data={},
            correlationid=delivery.correlation or delivery.cause,
            traceparent=tracing.current() or delivery.traceparent,
        )
        return Work(self.store, SERVICE, message, self.clock())
