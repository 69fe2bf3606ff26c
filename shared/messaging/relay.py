"""The outbox relay: publishes what documents owe, then takes it out of them.

Woken at once by every commit; a sweep at the start and every few seconds finds what a crash, a full memory or an
absent broker left. Two relays may both publish: the id is the same, so consumers drop the second (DESIGN §5).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog

from shared.contracts.base import MESSAGES, Envelope
from shared.messaging.publisher import Outgoing, Publisher
from shared.observability.metrics import Metrics
from shared.store.errors import StoreError
from shared.store.port import PENDING, Between, Collection, Document, Store, Trim
from shared.store.work import Pending, remember, write_beside

log = structlog.get_logger()

BATCH = 200
"""Documents relayed together: their events are published side by side, their lists emptied in one write."""

SWEEP = 1000
"""Documents of a collection that one sweep brings back; while there are more, the next follows at once."""

WAITING = 10_000
"""Documents kept in memory while the broker is away; the sweep finds those beyond."""

SWEEP_SECONDS = 3.0
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts while the broker does not confirm."""


class Relay:
    """Publishes outboxes of the given collections: `offer` follows every commit, `run` is the background task."""

    def __init__(
        self, store: Store, publisher: Publisher, service: str, collections: Sequence[Collection], metrics: Metrics
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._service = service
        self._collections = collections
        self._metrics = metrics
        self._waiting: deque[Pending] = deque()
        self._owing: set[tuple[str, str]] = set()
        """Collection and id of documents that this process could not relay. A document that is written again and again
        never looks old to the sweep, so they are remembered."""
        self._first = True
        self._wake = asyncio.Event()
        self._failures = 0

    def offer(self, pending: Sequence[Pending]) -> None:
        """What a commit left to relay; never blocks."""
        for item in pending:
            if len(self._waiting) < WAITING:
                self._waiting.append(item)
            else:
                self._owing.add((item.collection, item.id))
        self._metrics.outbox_waiting.set(len(self._waiting))
        self._wake.set()

    async def run(self) -> None:
        """Relay for ever."""
        next_sweep = 0.0
        clock = asyncio.get_running_loop().time
        while True:
            if clock() >= next_sweep:
                more = await self._sweep()
                next_sweep = clock() + (0 if more else SWEEP_SECONDS)
            if not await self._drain():
                next_sweep = max(next_sweep, clock() + PAUSES[0])
            self._wake.clear()
            if not self._waiting:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.01, next_sweep - clock())):
                        await self._wake.wait()

    async def flush(self, seconds: float) -> None:
        """Relay what is in memory, at most for so long: at a graceful stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._waiting and await self._drain():
                    pass

    async def _drain(self) -> bool:
        """Relay what waits in memory; False, after a pause, where the broker did not take all of a batch."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._metrics.outbox_waiting.set(len(self._waiting))
            if not await self._relay(batch):
                # What failed stands in its document: the sweep brings it again.
                self._failures += 1
                await asyncio.sleep(PAUSES[min(self._failures, len(PAUSES)) - 1])
                return False
            self._failures = 0
        return True

    async def _relay(self, batch: Sequence[Pending]) -> bool:
        """Publish a batch and empty what was taken; whether all of it was."""
        outgoing = {e["id"]: self._outgoing(e) for item in batch for e in item.outbox}
        errors = dict(zip(outgoing, await self._publisher.publish_many(list(outgoing.values())), strict=True))
        failed = {key for key, error in errors.items() if error is not None}
        if failed:
            log.warning("relay_unconfirmed", count=len(failed), error=str(next(e for e in errors.values() if e)))
        self._metrics.relayed(len(errors) - len(failed))
        try:
            await self._trim(batch, failed)
        except StoreError as error:
            log.warning("relay_trim_failed", error=str(error))
            self._owing |= {(item.collection, item.id) for item in batch}
            return False
        self._owing |= {(item.collection, item.id) for item in batch if any(e["id"] in failed for e in item.outbox)}
        return not failed

    async def _trim(self, batch: Sequence[Pending], failed: set[str]) -> None:
        by_collection: dict[str, list[Trim]] = {}
        for item in batch:
            sent = [e["id"] for e in item.outbox if e["id"] not in failed]
            pull = {"outbox": sent, "beside": item.beside, "applied": item.applied}
            by_collection.setdefault(item.collection, []).append(Trim(item.id, {k: v for k, v in pull.items() if v}))
        for name, trims in by_collection.items():
            await self._store.trim(Collection(name), trims)

    async def _sweep(self) -> bool:
        """Bring back what is left over; whether there may be more than one sweep takes."""
        oldest: list[datetime] = []
        most = 0
        try:
            for collection in self._collections:
                found = await self._left_over(collection)
                most = max(most, len(found))
                oldest += [found[0][PENDING]] if found else []
        except StoreError as error:
            log.warning("relay_sweep_failed", error=str(error))
            return False
        self._first = False
        self._metrics.relay_lag.set((datetime.now(UTC) - min(oldest)).total_seconds() if oldest else 0.0)
        return most == SWEEP

    async def _left_over(self, collection: Collection) -> list[Document]:
        """What is older than a sweep, or known to owe, goes back into memory, unless it waits there already.

        The first sweep takes all: what this process did not write itself, one before it may have left.
        """
        until = datetime.now(UTC) - timedelta(seconds=0 if self._first else SWEEP_SECONDS)
        found = await self._store.find(collection, {PENDING: Between(at_most=until)}, order=PENDING, limit=SWEEP)
        owing = [key for name, key in self._owing if name == collection.name][:SWEEP]
        documents = {d["_id"]: d for d in found} | await self._store.get_many(collection, owing)
        waiting = {item.id for item in self._waiting if item.collection == collection.name}
        for key in dict.fromkeys([*documents, *owing]):
            document = documents.get(key, {})
            wanted = PENDING in document and (key not in waiting or key in owing)
            owed = [await self._owed(collection, document)] if wanted else []
            self._owing.discard((collection.name, key))
            self.offer(owed)
        return found

    async def _owed(self, collection: Collection, document: Document) -> Pending:
        beside, applied = document.get("beside", []), document.get("applied", [])
        await write_beside(self._store, beside)
        await remember(self._store, applied)
        ids = ([e["id"] for e in beside], [e["id"] for e in applied])
        return Pending(collection.name, document["_id"], document.get("outbox", []), *ids)

    def _outgoing(self, document: Document) -> Outgoing:
        envelope = Envelope.model_validate(document)
        model = MESSAGES.get(envelope.type)
        key = model.routing_key() if model else envelope.type.split(".", 3)[-1]
        return Outgoing(f"{self._service}.outbox", key, envelope.to_json(), envelope.id)
