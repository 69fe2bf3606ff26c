"""Claims what is due, transactional mails first, and hands it to a few connections that work side by side."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from services.notifications.domain import Campaign, Delivery
from services.notifications.sending.delivering import Deliverer
from services.notifications.sending.gate import Gate
from services.notifications.sending.outage import Outage
from services.notifications.sending.smtp import FRESH_SECONDS, Connection, MailServerAway
from services.notifications.store import CAMPAIGNS
from shared.messaging.keyed import KeyedLock
from shared.store.errors import StoreError

log = structlog.get_logger()

IDLE_SECONDS = 1.0
SHORTEST_PAUSE = 0.05
"""Between looks for work: doubles while there is none. A handler rings before its write is done, so look again soon."""
STOP_SECONDS = 10.0
"""Grace for mails that are being handed over when the service stops."""


@dataclass(order=True)
class _Job:
    rank: int
    number: int
    delivery: Delivery = field(compare=False)
    campaign: Campaign | None = field(compare=False)

    @property
    def key(self) -> str:
        """What is sent in order under one key: the mails about one sign-up. Others wait for nobody."""
        return str(self.delivery.data.get("signup_id", self.delivery.id))


class Dispatcher:
    """Claims at most twice as many as there are connections, so that what comes in later need not wait long."""

    def __init__(
        self,
        deliverer: Deliverer,
        gate: Gate,
        outage: Outage,
        connect: Callable[[], Connection],
        *,
        connections: int,
        wake: asyncio.Event,
    ) -> None:
        """`wake` is set when there may be something new."""
        self._deliverer = deliverer
        self._ledger = deliverer.ledger
        self._gate = gate
        self._outage = outage
        self._connections = [connect() for _ in range(connections)]
        self._wake = wake
        self._jobs: asyncio.PriorityQueue[_Job] = asyncio.PriorityQueue()
        self._numbers = itertools.count()
        self._transactional = 0
        self._stopping = asyncio.Event()
        self._orders = KeyedLock()
        self._busy: set[asyncio.Task[Any] | None] = set()

    async def run(self) -> None:
        """For ever. When cancelled: finish what is being handed over, give back what is not."""
        workers = [asyncio.create_task(self._work(connection)) for connection in self._connections]
        leases = asyncio.create_task(self._deliverer.leases.keep())
        try:
            await self._dispatch()
        finally:
            await self._stop(workers)
            leases.cancel()
            await asyncio.gather(leases, *workers, return_exceptions=True)

    async def _dispatch(self) -> None:
        pause = SHORTEST_PAUSE
        while True:
            self._wake.clear()
            found = 0
            try:
                await self._outage.over()
                found = await self._claim()
            except StoreError as error:
                log.warning("store_away", error=str(error))
            pause = SHORTEST_PAUSE if found else min(pause * 2, IDLE_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
                pause = SHORTEST_PAUSE

    async def _claim(self) -> int:
        """Fill the queue; how many were claimed."""
        most = 2 * len(self._connections)
        room = await self._deliverer.pacer.room(max(0, most - self._jobs.qsize()))
        if room is None:
            return 0
        claimed = 0
        if (free := most - self._transactional) > 0:
            claimed = await self._take(await self._ledger.claim({"lane": "transactional"}, free), None)
        for campaign in await self._campaigns() if room > claimed else ():
            if room > claimed:
                found = await self._ledger.claim({"campaign_id": campaign.id}, room - claimed)
                claimed += await self._take(found, campaign)
        return claimed

    async def _campaigns(self) -> list[Campaign]:
        found = await self._ledger.store.find(CAMPAIGNS.collection, {"state": "sending"}, order="due_at")
        return [CAMPAIGNS.to_aggregate(document) for document in found]

    async def _take(self, batch: list[Delivery], campaign: Campaign | None) -> int:
        stopped = await self._gate.stopped(batch, {campaign.id: campaign} if campaign else {})
        for delivery in batch:
            if delivery.id in stopped:
                await self._deliverer.skip(delivery, stopped[delivery.id])
            else:
                self._transactional += campaign is None
                self._jobs.put_nowait(_Job(int(campaign is not None), next(self._numbers), delivery, campaign))
        await self._deliverer.pacer.used(len(batch) - len(stopped))
        return len(batch)

    async def _work(self, connection: Connection) -> None:
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(FRESH_SECONDS):
                    job = await self._jobs.get()
            except TimeoutError:
                await connection.rest()
                continue
            self._transactional -= job.campaign is None
            if self._jobs.qsize() < len(self._connections):
                self._wake.set()
            worker = asyncio.current_task()
            self._busy.add(worker)
            # First comes the seat, then that it is taken back.
            async with self._orders.hold(job.key):
                await self._do(job, connection)
            self._busy.discard(worker)

    async def _do(self, job: _Job, connection: Connection) -> None:
        try:
            await self._deliverer.deliver(job.delivery, job.campaign, connection)
            self._outage.none()
        except MailServerAway as away:
            self._outage.began(str(away))
            await self._release(job.delivery)
        except StoreError as error:
            log.warning("store_away", error=str(error))  # its lease ends, and it comes again
        except Exception as error:  # noqa: BLE001 - one mail must not stop the others
            await self._fail(job.delivery, error)

    async def _fail(self, delivery: Delivery, error: Exception) -> None:
        try:
            await self._deliverer.fail(delivery, error)
        except Exception:  # not even that can be written: its lease ends, and it comes again
            log.exception("mail_stuck", mail_id=delivery.id)

    async def _release(self, delivery: Delivery) -> None:
        with contextlib.suppress(StoreError):
            await self._ledger.release(delivery)

    async def _stop(self, workers: list[asyncio.Task[Any]]) -> None:
        self._stopping.set()
        while not self._jobs.empty():
            await self._release(self._jobs.get_nowait().delivery)
        # Whoever waits for a job has nothing in hand; the others get the grace to come to their end.
        if busy := [worker for worker in workers if worker in self._busy]:
            await asyncio.wait(busy, timeout=STOP_SECONDS)
        for worker in workers:
            worker.cancel()
        for connection in self._connections:
            await connection.close()
