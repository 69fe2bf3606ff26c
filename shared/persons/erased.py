"""Who was erased: keyed ids with the time. What is older and comes later finds them here and has no effect.

It may wait in a queue, a retry tier or another service's outbox, or come from a replay of the log, which cannot
forget. What a person does after his erasure passes: he may come back.
"""

import time
from datetime import datetime, timedelta
from typing import Any

import structlog

from shared.contracts.aggregate import Aggregate
from shared.contracts.base import Command, Envelope, Message
from shared.contracts.identity import address_id
from shared.contracts.person import ERASED_ADDRESS
from shared.contracts.problems import Refused
from shared.persons.mentions import addresses, declared, replaced
from shared.store.port import Between, Document, Store
from shared.store.repository import Repository
from shared.store.work import ERASED

log = structlog.get_logger()

FRESH_SECONDS = 2.0
"""How old the list in memory may be: other processes of the service learn of an erasure within this time."""

OVERLAP = timedelta(hours=1)
"""Read again with every look: the clocks of processes may differ."""

PAGE = 1000


class ErasedPerson(Aggregate):
    """One erased address, by its keyed id: nobody can tell from it who it was. `at`: what is older has no effect.

    `subjects`: aggregates that events told of with the person's data, until others have been told of the erasure.
    """

    at: datetime
    subjects: tuple[str, ...] = ()


PERSONS = Repository(ERASED.name, ErasedPerson, indexes=ERASED.indexes)


class BeforeErasure(Refused):
    """It is of a time before the person was erased."""

    status, slug, title = 410, "erased", "The person was erased after this was sent"

    def __init__(self) -> None:
        super().__init__("it speaks of a person who was erased after it was sent; if the person wants it, send it anew")


class ErasedList:
    """The list of one service, with a copy in memory. Where nobody was erased it costs a look at the clock."""

    def __init__(self, store: Store, key: bytes = b"") -> None:
        self._store = store
        self._key = key
        self._times: dict[str, datetime] = {}
        self._newest: datetime | None = None
        self._read_at: float | None = None

    def id_of(self, email: str) -> str:
        """The keyed id that stands for an address."""
        return address_id(email, self._key)

    def add(self, id: str, at: datetime) -> None:
        """Known in this process from now on."""
        self._times[id] = max(at, self._times.get(id, at))

    async def without(self, envelope: Envelope, model: type[Message]) -> Document | None:
        """The message's data as they may be handled. None where it is about somebody who was erased after it was sent;
        who is only mentioned in a text is masked there.
        """
        if issubclass(model, Command) and model.traceless:
            return envelope.data
        await self._refresh()
        if not self._times:
            return envelope.data
        if any(self._gone(email, envelope.time) for email in declared(model, envelope.data)):
            log.info("skipped_erased_person", message_id=envelope.id, type=envelope.type)
            return None
        return self._masked(envelope)

    def _masked(self, envelope: Envelope) -> Document:
        gone = [found for found, normal in addresses(envelope.data).items() if self._gone(normal, envelope.time)]
        if not gone:
            return envelope.data

        def change(text: str) -> str:
            for found in sorted(gone, key=len, reverse=True):
                text = text.replace(found, ERASED_ADDRESS)
            return text

        data: dict[str, Any] = replaced(envelope.data, change)
        return data

    def _gone(self, email: str, sent: datetime) -> bool:
        at = self._times.get(self.id_of(email))
        return at is not None and sent <= at

    async def _refresh(self) -> None:
        if self._read_at is not None and time.monotonic() - self._read_at < FRESH_SECONDS:
            return
        began = time.monotonic()
        since = self._newest - OVERLAP if self._newest else None
        where = {"at": Between(at_least=since)} if since else {}
        last: Document | None = None
        while page := await self._store.find(ERASED, where, order="at", after=last, limit=PAGE):
            for document in page:
                self.add(document["_id"], document["at"])
            last = page[-1]
            if len(page) < PAGE:
                break
        self._newest = max(self._times.values(), default=None)
        self._read_at = began
