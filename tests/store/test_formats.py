"""Old and new versions of a service side by side on one store: nothing is lost, whoever writes, in whatever order."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from shared.contracts.aggregate import Aggregate
from shared.contracts.base import Envelope
from shared.store.committing import commit
from shared.store.connect import connect
from shared.store.errors import Duplicate, Newer, Stale
from shared.store.migrating import migrate
from shared.store.port import FORMAT, Collection, Document, Index, Store
from shared.store.repository import Repository
from shared.store.unknown import kept, unknown
from shared.store.work import OWN_COLLECTIONS, Work
from tests.support.stores import fresh_store

NOW = datetime(2026, 11, 23, tzinfo=UTC)


class Contact(BaseModel):
    email: str


class NewContact(Contact):
    phone: str = ""


class Old(Aggregate):
    """First a name."""

    name: str
    visits: int = 0
    main: Contact | None = None
    others: tuple[Contact, ...] = ()


class Wider(Old):
    """The same with more optional fields, also inside others: no other format."""

    note: str = ""
    main: NewContact | None = None
    others: tuple[NewContact, ...] = ()


class New(Aggregate):
    """Then given and family name: another format."""

    given: str
    family: str = ""
    visits: int = 0


def split(document: Document) -> Document:
    given, _, family = document["name"].partition(" ")
    return {**document, "given": given, "family": family}


OLD = Repository("people", Old)
WIDER = Repository("people", Wider)
NEW = Repository("people", New, indexes=(Index(("family",)),), migrations=(split,), gone=("name",))


@pytest.fixture
def collections() -> Sequence[Collection]:
    return (NEW.collection, *OWN_COLLECTIONS)


def work(store: Store, id: str) -> Work:
    return Work(store, "probe", Envelope(id=id, source="/t", type="t", data={}), NOW)


async def save(store: Store, repository: Repository[Any], aggregate: Aggregate, id: str) -> None:
    """As one message does."""
    saving = work(store, id)
    saving.save(repository, aggregate)
    await commit([(saving, {"id": id, "reply": "", "digest": "", "at": NOW})])


async def get[A: Aggregate](store: Store, repository: Repository[A], id: str = "p") -> A:
    found = await store.get(repository.collection, id)
    assert found is not None
    return repository.to_aggregate(found)


async def raw(store: Store, id: str = "p") -> Document:
    found = await store.get(NEW.collection, id)
    assert found is not None
    return found


async def test_an_old_document_is_read_in_the_new_format_and_saved_in_it(store: Store) -> None:
    await save(store, OLD, Old(id="p", name="Åse Prøve", visits=3), "m1")
    person = await get(store, NEW)
    assert (person.given, person.family, person.visits, person.version) == ("Åse", "Prøve", 3, 1)
    assert (await raw(store))[FORMAT] == 1, "reading writes nothing"
    await save(store, NEW, person, "m2")
    stored = await raw(store)
    assert (stored[FORMAT], stored["family"], stored["name"]) == (2, "Prøve", None)


async def test_a_document_without_a_format_is_of_the_first(store: Store) -> None:
    await store.insert(NEW.collection, {"_id": "p", "version": 1, "name": "Bo Ek"})
    assert (await get(store, NEW)).family == "Ek"
    assert (await get(store, OLD)).name == "Bo Ek"


async def test_an_old_process_refuses_what_it_cannot_read_as_if_the_store_was_away(store: Store) -> None:
    await save(store, NEW, New(id="p", given="Bo"), "m1")
    with pytest.raises(Newer, match="newer version"):
        await work(store, "m2").get(OLD, "p")
    assert (await get(store, NEW)).given == "Bo"


async def test_an_old_process_that_had_read_before_the_migration_loses_nothing(store: Store) -> None:
    await save(store, OLD, Old(id="p", name="Bo Ek"), "m1")
    read_before = await get(store, OLD)
    assert await migrate(store, [NEW]) == {"people": 1}
    await save(store, OLD, read_before.model_copy(update={"name": "Bo Lund", "visits": 1}), "m2")
    person = await get(store, NEW)
    assert (person.given, person.family, person.visits) == ("Bo", "Lund", 1)
    assert await migrate(store, [NEW]) == {"people": 1}
    assert (await get(store, NEW)).family == "Lund"


async def test_an_old_process_that_writes_a_copy_over_a_new_one_loses_nothing(store: Store) -> None:
    await work(store, "m1").put(NEW, New(id="p", version=1, given="Bo", family="Ek"))
    await work(store, "m2").put(OLD, Old(id="p", version=2, name="Bo Lund"))
    assert (await get(store, NEW)).family == "Lund"


async def test_a_migration_changes_what_is_old_once_and_no_version(store: Store) -> None:
    for n in range(5):
        await save(store, OLD, Old(id=f"o{n}", name=f"Bo Ek{n}"), f"m{n}")
    await save(store, NEW, New(id="n", given="Ida", family="Lund"), "m9")
    assert await store.find(NEW.collection, {"family": "Ek3"}) == []
    assert await migrate(store, [OLD, NEW]) == {"people": 5}
    assert [d["_id"] for d in await store.find(NEW.collection, {"family": "Ek3"})] == ["o3"]
    found = await raw(store, "o3")
    assert (found["version"], found[FORMAT], found["name"]) == (1, 2, None)
    assert await migrate(store, [NEW]) == {"people": 0}


async def test_a_migration_beside_writers_loses_none_of_their_writes(store: Store) -> None:
    for n in range(30):
        await save(store, OLD, Old(id=f"o{n}", name=f"Bo Ek{n}"), f"m{n}")

    async def visit(repository: Repository[Any], n: int, times: int) -> int:
        done = 0
        while done < times:
            try:
                person = await get(store, repository, f"o{n}")
                after = person.model_copy(update={"visits": person.visits + 1})
                await save(store, repository, after, f"{repository.format}-{n}-{done}")
                done += 1
            except Newer:
                return done  # a new process goes on
            except Stale:
                continue
        return done

    visits = [visit(repository, n, 2) for n in range(30) for repository in (OLD, NEW)]
    done, _ = await asyncio.gather(asyncio.gather(*visits), migrate(store, [NEW]))
    await migrate(store, [NEW])
    people = [NEW.to_aggregate(d) async for d in store.everything(NEW.collection)]
    assert sum(person.visits for person in people) == sum(done)
    assert all(person.family.startswith("Ek") for person in people)


async def test_an_old_process_keeps_fields_that_it_does_not_know(store: Store) -> None:
    person = Wider(
        id="p",
        name="Bo",
        note="kommer gerne",
        main=NewContact(email="a@x.example", phone="1"),
        others=(NewContact(email="b@x.example", phone="2"), NewContact(email="c@x.example", phone="3")),
    )
    await save(store, WIDER, person, "m1")
    old = await get(store, OLD)
    assert old.main is not None
    changed = old.model_copy(
        update={
            "visits": 1,
            "main": old.main.model_copy(update={"email": "new@x.example"}),
            "others": (*old.others[1:], Contact(email="d@x.example")),
        }
    )
    await save(store, OLD, changed, "m2")
    after = await get(store, WIDER)
    assert (after.note, after.visits) == ("kommer gerne", 1)
    assert after.main == NewContact(email="new@x.example", phone="1")
    assert after.others == (NewContact(email="c@x.example", phone="3"), NewContact(email="d@x.example"))
    put = (await get(store, OLD)).model_copy(update={"version": 3})
    assert await work(store, "m3").put(OLD, put) == [True]
    assert (await get(store, WIDER)).model_dump(exclude={"version"}) == after.model_dump(exclude={"version"})


@pytest.mark.parametrize(
    ("new", "known", "stored", "expected"),
    [
        ({"a": [1], "b": 2}, {"a": None, "b": 1}, {"a": None, "b": 1, "x": 9}, {"a": [1], "b": 2, "x": 9}),
        ({"a": {"k": 1}}, {"a": [1]}, {"a": [1], "x": 9}, {"a": {"k": 1}, "x": 9}),
        (None, {"a": 1}, {"a": 1, "x": 9}, None),
        (
            {"a": {"b": {"c": 2}}},
            {"a": {"b": {"c": 1}}},
            {"a": {"b": {"c": 1, "x": 9}}},
            {"a": {"b": {"c": 2, "x": 9}}},
        ),
        ([{"a": 1}, {"a": 2}], ({"a": 2},), [{"a": 2, "x": 9}], [{"a": 1}, {"a": 2, "x": 9}]),
    ],
)
def test_what_is_unknown_stays_whatever_is_changed_around_it(new: Any, known: Any, stored: Any, expected: Any) -> None:
    found = unknown({"field": known}, {"field": stored})
    assert found
    assert kept({"field": new}, found) == {"field": expected}


async def test_a_new_index_is_made_beside_a_process_that_writes(store_url: str) -> None:
    """The old one has the store open and goes on; what both write is found by the new index."""
    async with fresh_store(store_url, [OLD.collection]) as old:
        await old.insert_many(OLD.collection, [{"_id": f"a{n:03}", "version": 1, "family": "Ek"} for n in range(300)])
        stop = asyncio.Event()
        written = 0

        async def write() -> None:
            nonlocal written
            while not stop.is_set():
                await old.insert(OLD.collection, {"_id": f"b{written:05}", "version": 1, "family": "Ek"})
                written += 1

        writing = asyncio.create_task(write())
        async with fresh_store(store_url, [NEW.collection]) as new:
            for _ in range(5):
                await new.insert(NEW.collection, {"_id": f"c{_}", "version": 1, "family": "Ek"})
            stop.set()
            await writing
            assert await new.count(NEW.collection, {"family": "Ek"}) == 300 + written + 5


async def test_a_unique_index_that_the_documents_break_is_told_and_changes_nothing(store_url: str) -> None:
    unique = Collection("people", (Index(("email",), unique=True),))
    async with fresh_store(store_url, [OLD.collection]) as store:
        for name in "ab":
            await store.insert(OLD.collection, {"_id": name, "version": 1, "email": "same@x.example"})
        new = connect(store_url)
        try:
            with pytest.raises(Duplicate, match=r"people: \S+ is taken"):  # a stand-in has names of its own
                await new.open([unique])
        finally:
            await new.close()
        await store.insert(OLD.collection, {"_id": "c", "version": 1, "email": "same@x.example"})
        assert await store.count(OLD.collection, {}) == 3
