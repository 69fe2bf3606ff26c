"""Signs of life for mails that are being handed over, and what becomes of those whose worker gives none."""

import asyncio

import structlog

from services.notifications.domain import Delivery
from services.notifications.sending.ledger import Ledger
from services.notifications.store import DELIVERIES
from shared.store.errors import StoreError
from shared.store.port import In

log = structlog.get_logger()

MOST = 1000
"""Abandoned mails looked at in one go, the oldest first."""


class Leases:
    """Renews this worker's, watches everybody's.

    A lease is over when it was not renewed for its whole length by this process's own clock: so clocks that differ
    between machines take nothing from a worker that lives.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._mine: dict[str, Delivery] = {}
        self._seen: dict[str, tuple[object, float]] = {}

    def hold(self, delivery: Delivery) -> None:
        """It is being handed over from now on."""
        self._mine[delivery.id] = delivery

    def drop(self, delivery: Delivery) -> None:
        """It is not any more."""
        self._mine.pop(delivery.id, None)

    async def keep(self) -> None:
        """Renew and watch, for ever."""
        while True:
            await asyncio.sleep(self._ledger.lease.total_seconds() / 4)
            try:
                await asyncio.gather(*map(self._ledger.renew, self._mine.values()))
                await self.settle_abandoned()
            except StoreError as error:
                log.warning("store_away", error=str(error))

    async def settle_abandoned(self) -> None:
        """What a dead worker had begun: nobody knows whether the server took it."""
        where = {"lane": In(("transactional", "campaign")), "state": "sending"}
        # Before the look: what this process saw before it was paused itself tells nothing about the pause.
        now = asyncio.get_running_loop().time()
        found = await self._ledger.store.find(DELIVERIES.collection, where, order="due_at", limit=MOST)
        signs = {d["_id"]: (d["version"], d.get("beats", 0)) for d in found if d["_id"] not in self._mine}
        self._seen = {
            mail: self._seen[mail] if mail in self._seen and self._seen[mail][0] == sign else (sign, now)
            for mail, sign in signs.items()
        }
        lease = self._ledger.lease.total_seconds()
        for document in found:
            if document["_id"] in self._seen and now - self._seen[document["_id"]][1] >= lease:
                delivery = DELIVERIES.to_aggregate(document)
                log.warning("mail_abandoned", mail_id=delivery.id, kind=delivery.kind)
                await self._ledger.end(
                    *delivery.doubtful(self._ledger.clock(), "the worker died while handing it over")
                )
