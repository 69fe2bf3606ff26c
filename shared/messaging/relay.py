"""The outbox relay: publishes what documents owe, then takes it out of them.

Woken at once by every commit; a sweep at the start and every few seconds finds what a crash, a full memory or an
absent broker left. Two relays may both publish: the id is the same, so consumers drop the second (ADR 1).
"""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import batched

import structlog
from pydantic import ValidationError
from pydantic_core import to_json

from shared.contracts.base import MESSAGES, Envelope
from shared.messaging.publisher import Nacked, Outgoing, Publisher, Unconfirmed
from shared.observability.metrics import Metrics
from shared.store.errors import StoreError, Unavailable
from shared.store.port import PENDING, PENDING_LISTS, Between, Collection, Document, Store, Trim
from shared.store.work import Pending, remember, write_beside

log = structlog.get_logger()

BATCH = 200
"""Documents relayed together: their events are published side by side, their lists emptied in one write."""

EVENTS = 1000
"""After so many events a batch takes no further document: the broker's word for all of them must come in time."""

SWEEP = 1000
"""Documents of a collection that one sweep brings back; while there are more, the next follows and goes on behind them,
so that what cannot be sent hides nothing.
"""

WAITING = 10_000
"""Documents kept in memory while the broker is away; the sweep finds those beyond."""

TRIM_SECONDS = 0.05
"""How long what was taken by the broker may stand in its document: a busy one is then written once for many events. A
process that dies meanwhile has sent them, and the next one sends them again.
"""

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
        self._exchange = f"{service}.outbox"
        self._collections = collections
        self._metrics = metrics
        self._waiting: deque[Pending] = deque()
        self._first = True
        self._behind: dict[str, Document] = {}
        """Collection -> the last document of a full sweep."""
        self._oldest: dict[str, datetime | None] = {}
        """Collection -> when the oldest that waits there came to wait."""
        self._wake = asyncio.Event()
        self._failures = 0
        self._taken: dict[tuple[str, str], dict[str, list[str]]] = {}
        """Collection and id -> what is to be taken out of the document's lists."""
        self._trim_at = math.inf

    def offer(self, pending: Sequence[Pending]) -> None:
        """What a commit left to relay; never blocks."""
        for item in pending:
            if len(self._waiting) < WAITING:
                self._waiting.append(item)
        self._metrics.outbox_waiting.set(len(self._waiting))
        self._wake.set()

    async def run(self) -> None:
        """Relay for ever."""
        next_sweep = 0.0
        clock = asyncio.get_running_loop().time
        while True:
            if clock() >= next_sweep and len(self._waiting) <= WAITING // 2:
                more = await self._trimmed() and await self._sweep()  # what was sent is not to be found again
                next_sweep = clock() + (0 if more else SWEEP_SECONDS)
            if not await self._step():
                next_sweep = max(next_sweep, clock() + PAUSES[0])
            self._wake.clear()
            if not self._waiting:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.01, min(next_sweep, self._trim_at) - clock())):
                        await self._wake.wait()

    async def flush(self, seconds: float) -> None:
        """Relay what is in memory, at most for so long: at a graceful stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._waiting and await self._step():
                    pass
                await self._trimmed()

    async def _step(self) -> bool:
        """Relay a batch of what waits in memory; False, after a pause, where store or broker are in trouble.

        One batch, since under load there is always more: the sweep must have its turn.
        """
        batch = self._next_batch()
        self._metrics.outbox_waiting.set(len(self._waiting))
        if await self._relay(batch):
            self._failures = 0
            return True
        # What failed stands in its document: the sweep brings it again.
        self._failures += 1
        await asyncio.sleep(PAUSES[min(self._failures, len(PAUSES)) - 1])
        return False

    def _next_batch(self) -> list[Pending]:
        batch: list[Pending] = []
        events = 0
        while self._waiting and len(batch) < BATCH and events < EVENTS:
            batch.append(self._waiting.popleft())
            events += len(batch[-1].outbox)
        return batch

    async def _relay(self, batch: Sequence[Pending]) -> bool:
        """Publish a batch, and take out what was taken when it is time; whether store and broker are well."""
        outgoing = {e["id"]: self._outgoing(e) for item in batch for e in item.outbox}
        sent = await self._publisher.publish_many(list(outgoing.values()))
        failed = {each for each, error in zip(outgoing, sent, strict=True) if error}
        if told := [error for error in sent if error]:
            log.warning("relay_unconfirmed", count=len(told), error=str(told[0]))
        self._metrics.relayed(len(sent) - len(told))
        for item in batch:
            self._take_out(item, failed)
        now = asyncio.get_running_loop().time()
        if self._taken:
            self._trim_at = min(self._trim_at, now + TRIM_SECONDS)
        if (now >= self._trim_at or len(self._taken) >= BATCH) and not await self._trimmed():
            return False
        # A queue that is full, or an event that cannot be written, is no reason to keep others waiting.
        return not any(isinstance(error, Unconfirmed) and not isinstance(error, Nacked) for error in told)

    def _take_out(self, item: Pending, failed: set[str]) -> None:
        taken = self._taken.setdefault((item.collection, item.id), {name: [] for name in PENDING_LISTS})
        taken["outbox"] += [e["id"] for e in item.outbox if e["id"] not in failed]
        taken["beside"] += item.beside
        taken["applied"] += item.applied

    async def _trimmed(self) -> bool:
        """Empty the lists of what the broker took; False where the store is in trouble: the sweep does it again."""
        taken, self._taken, self._trim_at = self._taken, {}, math.inf
        by_collection: dict[str, list[Trim]] = {}
        for (collection, document), lists in taken.items():
            by_collection.setdefault(collection, []).append(Trim(document, {k: v for k, v in lists.items() if v}))
        try:
            for name, trims in by_collection.items():
                await self._store.trim(Collection(name), trims)
        except StoreError as error:
            log.warning("relay_trim_failed", error=str(error))
            return False
        return True

    async def _sweep(self) -> bool:
        """Bring back what is left over; whether there may be more than one sweep takes."""
        try:
            for collection in self._collections:
                await self._left_over(collection)
        except StoreError as error:
            log.warning("relay_sweep_failed", error=str(error))
            return False
        self._first = False
        now = datetime.now(UTC)
        self._metrics.relay_lag.set((now - min(filter(None, self._oldest.values()), default=now)).total_seconds())
        return bool(self._behind)

    async def _left_over(self, collection: Collection) -> None:
        """What is older than a sweep goes back into memory, unless it waits there already.

        The first sweep takes all: what this process did not write itself, one before it may have left.
        """
        found = await self._page(collection) + await self._ahead(collection)
        waiting = [item for item in self._waiting if item.collection == collection.name]
        documents, events = {item.id for item in waiting}, {e["id"] for item in waiting for e in item.outbox}
        owing = []
        for document in found:
            left = [e for o in document.get("outbox", ()) if o["id"] not in events and (e := _read(o))]
            if left or document["_id"] not in documents:
                owing.append(document | {"outbox": left})
        for some in batched(owing, BATCH, strict=False):
            self.offer(await self._owed(collection, some))

    async def _page(self, collection: Collection) -> list[Document]:
        behind = self._behind.pop(collection.name, None)
        until = datetime.now(UTC) - timedelta(seconds=0 if self._first else SWEEP_SECONDS)
        where = {PENDING: Between(at_most=until)}
        found = await self._store.find(collection, where, order=PENDING, after=behind, limit=SWEEP)
        if len(found) == SWEEP:
            self._behind[collection.name] = {name: found[-1][name] for name in ("_id", PENDING)}
        if behind is None:
            self._oldest[collection.name] = min(map(_waiting_since, found), default=None)
        return found

    async def _ahead(self, collection: Collection) -> list[Document]:
        """What a process left whose clock was ahead of ours: it would not look old before we reach its time."""
        since = datetime.now(UTC) + timedelta(seconds=SWEEP_SECONDS)
        return await self._store.find(collection, {PENDING: Between(above=since)}, order=PENDING, limit=SWEEP)

    async def _owed(self, collection: Collection, documents: Sequence[Document]) -> list[Pending]:
        """What documents owe, when what can be written to the store is written. One where that fails must not keep
        others waiting: somebody has to look.
        """
        try:
            return await self._settled(collection, documents)
        except Unavailable:
            raise
        except Exception:
            if len(documents) > 1:
                return [owed for each in documents for owed in await self._owed(collection, [each])]
            log.exception("relay_cannot_settle", collection=collection.name, id=documents[0]["_id"])
            return []

    async def _settled(self, collection: Collection, documents: Sequence[Document]) -> list[Pending]:
        await write_beside(self._store, [b for document in documents for b in document.get("beside", ())])
        await remember(self._store, [a for document in documents for a in document.get("applied", ())])
        return [
            Pending(
                collection.name,
                document["_id"],
                document.get("outbox", []),
                [b["id"] for b in document.get("beside", ())],
                [a["id"] for a in document.get("applied", ())],
            )
            for document in documents
        ]

    def _outgoing(self, event: Document) -> Outgoing:
        """As a commit of this process made it, or `_read` read it: an envelope already, so it is not parsed again."""
        model = MESSAGES.get(event["type"])
        key = model.routing_key() if model else event["type"].split(".", 3)[-1]
        body = to_json(event, inf_nan_mode="null")
        return Outgoing(self._exchange, key, body, event["id"], traceparent=event.get("traceparent"))


def _read(event: Document) -> Document | None:
    """An event that some process left, as this one would have written it. None for one that cannot be read any more:
    it stays where it is, and somebody has to look.
    """
    try:
        return Envelope.model_validate(event).model_dump(mode="json", exclude_none=True)
    except ValidationError:
        log.exception("relay_cannot_read", id=event["id"])
        return None


def _waiting_since(document: Document) -> datetime:
    """Since when the oldest event of a document waits. The document's own mark may be older: it stays while there is
    always something newer.
    """
    times = []
    for event in document.get("outbox", ()):
        with contextlib.suppress(ValidationError):
            times.append(Envelope.model_validate(event).time)
    return min(times, default=document[PENDING])
