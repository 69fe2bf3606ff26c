"""Claims what is due, transactional mails first, and hands it to a few connections that work side by side."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog

from services.notifications.domain import Campaign, Delivery
from services.notifications.sending.delivering import Deliverer, Writing
from services.notifications.sending.gate import Gate
from services.notifications.sending.outage import Outage
from services.notifications.sending.smtp import FRESH_SECONDS, Connection, Crowded, MailServerAway
from services.notifications.store import CAMPAIGNS
from shared.messaging.keyed import KeyedLock
from shared.store.errors import StoreError

log = structlog.get_logger()

IDLE_SECONDS = 1.0
SHORTEST_PAUSE = 0.05
"""Between looks for work: doubles while there is none. A handler rings before its write is done, so look again soon."""
LOOK_AGAIN_SECONDS = 1.0
"""What waited for so long since it was claimed is looked at once more: by now it may not be wanted."""
CROWDED_SECONDS = 30.0
"""Before a connection that was too many for the server is tried again."""
STOP_SECONDS = 10.0
"""Grace for mails that are being handed over when the service stops."""


@dataclass(order=True)
class _Job:
    rank: int
    number: int
    delivery: Delivery = field(compare=False)
    campaign: Campaign | None = field(compare=False)
    seen: float = field(compare=False)
    """When it was looked at, by the loop's clock."""

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
                await self._outage.over(self._connected)
                found = await _to_its_end(self._claim())
            except StoreError as error:
                log.warning("store_away", error=str(error))
            pause = SHORTEST_PAUSE if found else min(pause * 2, IDLE_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
                pause = SHORTEST_PAUSE

    async def _claim(self) -> int:
        """Fill the queue; how many were claimed."""
        most, waiting = 2 * len(self._connections), self._jobs.qsize()
        # Many at a time: what a claim asks of the store does not grow with them.
        wanted = most - waiting if waiting <= len(self._connections) else 0
        room = await self._deliverer.pacer.room(wanted)
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
        seen = asyncio.get_running_loop().time()
        stopped = await self._gate.stopped(batch, {campaign.id: campaign} if campaign else {})
        for delivery in batch:
            if delivery.id not in stopped:
                self._transactional += campaign is None
                self._jobs.put_nowait(_Job(int(campaign is not None), next(self._numbers), delivery, campaign, seen))
        await asyncio.gather(*(self._deliverer.skip(d, stopped[d.id]) for d in batch if d.id in stopped))
        await self._deliverer.pacer.used(len(batch) - len(stopped))
        return len(batch)

    async def _work(self, connection: Connection) -> None:
        writing = Writing()
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
                crowded = await self._do(job, connection, writing)
            if self._jobs.empty() or crowded or self._stopping.is_set():
                await writing.done()
            self._busy.discard(worker)
            if crowded:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CROWDED_SECONDS):
                        await self._stopping.wait()

    async def _do(self, job: _Job, connection: Connection, writing: Writing) -> bool:
        """Whether the server takes mails over the other connections, and wants no further one."""
        try:
            if await self._still_wanted(job):
                await self._deliverer.deliver(job.delivery, job.campaign, connection, writing)
                self._outage.none()
        except MailServerAway as away:
            await self._release(job.delivery)
            if isinstance(away, Crowded) and self._connected():
                log.info("mail_server_crowded", reason=str(away))
                return True
            self._outage.began(str(away))
        except StoreError as error:
            log.warning("store_away", error=str(error))  # its lease ends, and it comes again
        except Exception as error:  # noqa: BLE001 - one mail must not stop the others
            await self._fail(job.delivery, error)
        return False

    def _connected(self) -> bool:
        """Whether any connection stands, or is about to."""
        return any(connection.stands for connection in self._connections)

    async def _still_wanted(self, job: _Job) -> bool:
        """Look once more at what waited for long, as behind a slow server: who left meanwhile gets nothing."""
        if asyncio.get_running_loop().time() - job.seen < LOOK_AGAIN_SECONDS:
            return True
        campaign = job.campaign and await self._campaign(job.campaign)
        stopped = await self._gate.stopped([job.delivery], {campaign.id: campaign} if campaign else {})
        for reason in stopped.values():
            await self._deliverer.skip(job.delivery, reason)
        return not stopped

    async def _campaign(self, campaign: Campaign) -> Campaign:
        document = await self._ledger.store.get(CAMPAIGNS.collection, campaign.id)
        return CAMPAIGNS.to_aggregate(document) if document else campaign

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
        waiting = [self._jobs.get_nowait().delivery for _ in range(self._jobs.qsize())]
        await asyncio.gather(*map(self._release, waiting))
        # Whoever waits for a job has nothing in hand; the others get the grace to come to their end.
        if busy := [worker for worker in workers if worker in self._busy]:
            await asyncio.wait(busy, timeout=STOP_SECONDS)
        for worker in workers:
            worker.cancel()
        for connection in self._connections:
            await connection.close()


async def _to_its_end[T](act: Coroutine[Any, Any, T]) -> T:
    """Also where the caller is cancelled meanwhile: what was claimed must not lie about until its lease ends."""
    task = asyncio.create_task(act)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=STOP_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
