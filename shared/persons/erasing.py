"""Takes a person out of one service's store. Done again, after a crash or at the same time, it ends the same.

First the person is marked as erased, so that nothing that is under way brings him back. Then all that the service
keeps is read, every document: erasure is rare, and what no index was made for would be overlooked. It is read again
until nothing is found.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import structlog

from shared.contracts.person import Erasure, ErasureResult
from shared.contracts.types import normal_email
from shared.persons.erased import FRESH_SECONDS, PERSONS, ErasedPerson
from shared.persons.held import Held, Person, Persons
from shared.persons.mentions import Literal, tells_of
from shared.store.port import PENDING, PENDING_LISTS, Collection, Document, Trim
from shared.store.work import Work, remember, write_beside

log = structlog.get_logger()

GRACE_SECONDS = FRESH_SECONDS + 1
"""Before the last look: by then every process of the service knows, and what was in hand is written."""

LOOKS = 10
"""At most, after the grace; then something keeps writing the address, which is told: an operator asks again."""


@dataclass
class Found:
    """What one erasure did so far: collection -> documents."""

    erased: Counter[str] = field(default_factory=Counter)
    masked: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    """What has the keyed id alone."""
    owed: int = 0
    """What still mentions the address: events that are not relayed yet, and soon are."""

    @property
    def total(self) -> int:
        """How much there was to do."""
        return self.erased.total() + self.masked.total() + self.owed

    def then(self, later: "Found") -> "Found":
        """With what a later look found; what is owed and kept is as it was seen last."""
        return Found(
            self.erased + later.erased,
            self.masked + later.masked,
            later.kept,
            later.total,
        )


async def erase(email: str, told: type[Erasure], persons: Persons, work: Work) -> ErasureResult:
    """Erase a person here, and tell that it is done with the event `told`."""
    person = Person(normal_email(email), work.erased.id_of(email))
    await _mark(person, work)
    done = await _look(person, persons, work)
    await asyncio.sleep(GRACE_SECONDS)
    for look in range(LOOKS):
        await asyncio.sleep(GRACE_SECONDS / LOOKS if look else 0)
        done = done.then(await _look(person, persons, work))
        if not done.owed:
            break
    await work.store.shred()
    await _tell(person, told, done, work)
    log.info("person_erased", erasure_id=_erasure_id(work), erased=dict(done.erased), masked=dict(done.masked))
    return ErasureResult(erased=done.erased, masked=done.masked, kept=done.kept, left=done.owed)


async def _mark(person: Person, work: Work) -> None:
    async def mark(step: Work) -> None:
        before = await step.get(PERSONS, person.id)
        marked = before.model_copy(update={"at": work.now}) if before else ErasedPerson(id=person.id, at=work.now)
        step.save(PERSONS, marked)

    await work.act(f"mark-erased:{work.inbox_id}", mark)
    work.erased.add(person.id, work.now)


async def _tell(person: Person, told: type[Erasure], done: Found, work: Work) -> None:
    async def tell(step: Work) -> None:
        present = await step.get(PERSONS, person.id)
        if present:
            event = told(erasure_id=_erasure_id(work), subjects=present.subjects, erased=dict(done.erased))
            step.save(PERSONS, present.model_copy(update={"subjects": ()}), [event])

    await work.act(f"tell-erased:{work.inbox_id}", tell, correlation=_erasure_id(work))


async def _note(subject: str, person: Person, work: Work) -> None:
    """Before it is erased: after a crash it could not be told any more whose aggregate it was."""

    async def note(step: Work) -> None:
        present = await step.get(PERSONS, person.id)
        if present and subject not in present.subjects:
            step.save(PERSONS, present.model_copy(update={"subjects": (*present.subjects, subject)}))

    await work.act(f"note-erased:{work.inbox_id}:{subject}", note)


def _erasure_id(work: Work) -> str:
    return work.message.correlationid or work.message.id


async def _look(person: Person, persons: Persons, work: Work) -> Found:
    """Read all there is once, and take out what is found."""
    found, literal = Found(), person.literal
    for collection in persons.collections:
        held = persons.held.get(collection.name)
        async for document in work.store.everything(collection):
            if not person.may_be_in(document):
                continue
            await _unload(collection, document, literal, work, found)
            if held and held.is_about(document, person):
                await _erase(held, document, person, work, found)
            elif changed := _masked(document, literal):
                await _mask(collection, document, changed, work, found)
            found.kept[collection.name] += person.id in document.values()
    found.kept = +found.kept
    return found


async def _unload(collection: Collection, document: Document, literal: Literal, work: Work, found: Found) -> None:
    """Take the person out of what a document still owes: events, and documents to be written beside it."""
    if PENDING not in document or not literal.within([document.get(name, []) for name in PENDING_LISTS]):
        return
    # What is written beside it follows from its state and must not be lost: it is written, then found there.
    beside, applied = document.get("beside", []), document.get("applied", [])
    await write_beside(work.store, beside)
    await remember(work.store, applied)
    # An event that is about the person nobody is to get any more.
    about = [e["id"] for e in document.get("outbox", []) if tells_of(literal, e["type"], e["data"])]
    pull = {"outbox": about, "beside": [e["id"] for e in beside], "applied": [e["id"] for e in applied]}
    await work.store.trim(collection, [Trim(document["_id"], {name: ids for name, ids in pull.items() if ids})])
    found.owed += sum(literal.within(e) for e in document.get("outbox", []) if e["id"] not in about)
    found.masked[collection.name] += bool(about or beside or applied)


async def _erase(held: Held, document: Document, person: Person, work: Work, found: Found) -> None:
    if held.erase is None:
        return
    repository, erase_it = held.repository, held.erase
    if held.told:
        await _note(document["_id"], person, work)
    changed = False

    async def step(apart: Work) -> None:
        nonlocal changed
        aggregate = await apart.get(repository, document["_id"])
        changed = aggregate is not None and await erase_it(aggregate, person, apart)

    step_id = f"erase:{work.inbox_id}:{repository.name}:{document['_id']}:{document['version']}"
    await work.act(step_id, step, correlation=_erasure_id(work))
    found.erased[repository.name] += changed


def _masked(document: Document, literal: Literal) -> Document:
    """The fields that hold the address in some text, without it."""
    own = {name: value for name, value in document.items() if name not in (*PENDING_LISTS, "_id", "version")}
    return {name: literal.masked(value) for name, value in own.items() if literal.within(value)}


async def _mask(collection: Collection, document: Document, changed: Document, work: Work, found: Found) -> None:
    # At the version that was read, which stays: copies are kept at the version of their owner. Whoever wrote meanwhile
    # is found with the next look.
    where = {"_id": document["_id"], "version": document["version"]}
    await work.store.update(collection, where, set=changed)
    found.masked[collection.name] += 1
