"""The one conditional write that units of work end with, and what follows from it."""

import json
from collections.abc import Sequence

from shared.store.errors import Backlog, BadValue, Duplicate, Stale
from shared.store.port import PENDING, PENDING_LISTS, Document, Follow, Put
from shared.store.work import INBOX, Applied, Pending, Staged, Work, beside_writes, end_if_applied, remember, remembered

MOST_OWED = 1000
"""Events that a document may owe while another message adds to it: each write costs its length, and MongoDB takes none
of more than 16 MiB. A healthy relay keeps them far below.
"""
MOST_OWED_BYTES = 4 << 20
"""A document too large to be written waits for its relay if so much of it is owed; else the message is at fault."""


async def commit(ended: Sequence[tuple[Work, Document]], *, looked: bool = False) -> list[str]:
    """Write what units of work of one group ended with: each with its inbox entry. What they staged is one aggregate at
    versions that follow one another; it is one conditional write, and beside it what follows from it. Stale: decide
    again from the load. Applied: one of them was carried out before, and nothing is written. `looked`: the inbox was
    asked after the load. Returns the inbox ids of those that staged nothing and that somebody else has ended meanwhile.
    """
    staged = [(work, work.staged, entry) for work, entry in ended if work.staged is not None]
    if staged:
        pending = await _Writing(staged).write(looked=looked)
        staged[0][0].pending.append(pending)
    return await remember(ended[0][0].store, [entry for work, entry in ended if work.staged is None])


class _Writing:
    """One conditional write of what several units staged."""

    def __init__(self, parts: Sequence[tuple[Work, Staged, Document]]) -> None:
        self._parts = parts
        self._store, self._group = parts[0][0].store, parts[0][0].group
        first, self._last = parts[0][1], parts[-1][1]
        self._collection, self._id, self._version = (
            first.repository.collection,
            first.aggregate.id,
            first.aggregate.version,
        )
        self._entries = [entry for _, _, entry in parts]
        self._outbox = [event for _, each, _ in parts for event in each.outbox]
        self._beside = [write for _, each, _ in parts for write in each.beside]

    async def write(self, *, looked: bool) -> Pending:
        """What the relay is to tell, and to take out of the document."""
        if self._version > 0 and not looked:
            await self._end_if_seen()
        # It owed at most as much when it is written: whoever adds to it meanwhile makes this write stale.
        if self._group.owed.get((self._collection.name, self._id), 0) >= MOST_OWED:
            raise Backlog(f"{self._collection.name}: {self._id!r} waits to have its events sent")
        try:
            await self._save()
        except Duplicate as taken:
            end_if_applied(self._group, await self._store.get(self._collection, self._id) or {})
            raise Stale(str(taken)) from taken
        except BadValue as bad:
            await self._end_if_owed(bad)
            raise
        # Only now may the relay take beside and applied out of the document; after a fault above the sweep does it all.
        beside, applied = [b["id"] for b in self._beside], [entry["id"] for entry in self._entries]
        return Pending(self._collection.name, self._id, self._outbox, beside, applied)

    async def _save(self) -> None:
        last, now = self._last, self._parts[-1][0].now
        fields = last.repository.to_fields(last.aggregate, last.aggregate.version + 1) | {PENDING: now}
        push = {"outbox": self._outbox, "applied": self._entries, "beside": self._beside}
        inbox = [Put(entry["id"], {"version": 1, **entry}) for entry in self._entries]
        follow = [*beside_writes(self._beside), Follow(INBOX, inbox)]
        if self._version == 0:
            await self._store.insert(self._collection, {"_id": self._id, **fields, **push}, follow=follow)
        else:
            await self._store.save(self._collection, self._id, fields, version=self._version, push=push, follow=follow)
        self._group.written.add(self._beside)

    async def _end_if_seen(self) -> None:
        """Another process handled it before the document was loaded and after the inbox was looked at, and its relay
        has taken the mark out of the document already. One that does so from now on makes this write stale.
        """
        for seen in (await remembered(self._store, [entry["id"] for entry in self._entries])).values():
            raise Applied(seen)

    async def _end_if_owed(self, bad: BadValue) -> None:
        document = await self._store.get(self._collection, self._id) or {}
        owed = json.dumps([document.get(name) for name in PENDING_LISTS], default=str)
        if len(owed) > MOST_OWED_BYTES:
            raise Backlog(f"{self._collection.name}: {self._id!r} has no room until its events are sent") from bad
