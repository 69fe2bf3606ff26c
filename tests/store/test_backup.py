"""A store as one file: from each kind of store into each, and what is refused before anything is written."""

import gzip
import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.store.ahead import Forward, go_ahead
from shared.store.backup import BackupError, Kept, check, finish, refuse_unfinished, restore, save
from shared.store.errors import StoreError
from shared.store.port import Collection, Document, Store
from tests.store.data import ODD_STRINGS, OTHERS, THINGS, thing
from tests.support.stores import MongoServer, fresh_store

KEPT = [Kept(THINGS, 2), Kept(OTHERS)]


@pytest.fixture
def collections() -> Sequence[Collection]:
    return (THINGS, OTHERS)


@pytest.fixture(params=["sqlite", "mongo"])
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the backup goes."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/other.db"
    server: MongoServer = request.getfixturevalue("mongo_server")
    return server.database_url()


async def filled(store: Store) -> None:
    """With every kind of value, more documents than a page, and two files."""
    values: Document = {
        "odd": list(ODD_STRINGS),
        "at": datetime(2026, 11, 23, 9, 0, 0, 123_000, tzinfo=UTC),
        "bytes": bytes(range(256)),
        "numbers": [0, -1, 2**63 - 1, -(2**63), 1.5, float("inf")],
        "deep": {"a": [{"b": None}, True]},
        "outbox": [{"id": "e1", "data": {"x": 1}}],
        "pending_since": datetime(2026, 11, 23, tzinfo=UTC),
    }
    await store.insert(THINGS, thing("every kind", **values))
    await store.insert_many(OTHERS, [thing(f"{n:04}", n=n) for n in range(250)])
    await store.write_file("referat.pdf", bytes(range(256)) * 10_000, {"type": "application/pdf"})
    await store.write_file("empty", b"", {})


async def saved(store: Store) -> io.BytesIO:
    file = io.BytesIO()
    await save(store, "probe", KEPT, file, quiet=True)
    return file


async def content(store: Store) -> dict[str, object]:
    async with store.snapshot() as snapshot:
        found: dict[str, object] = {c.name: [d async for d in snapshot.everything(c)] for c in (THINGS, OTHERS)}
        return found | {"files": [f async for f in snapshot.files() if not f[0].startswith("store.")]}


async def test_it_comes_back_the_same_into_each_kind_of_store(store: Store, other_url: str) -> None:
    await filled(store)
    before = await content(store)
    file = await saved(store)
    async with fresh_store(other_url, [THINGS, OTHERS]) as other:
        manifest = await restore(other, "probe", KEPT, file)
        await finish(other)
        assert await content(other) == before
        assert await other.find(THINGS, {"pending_since": datetime(2026, 11, 23, tzinfo=UTC)}), "indexes are there"
    assert manifest.documents == {"things": 1, "others": 250}
    assert manifest.files == 2
    assert manifest.formats == {"things": 2, "others": 1}
    assert abs(datetime.now(UTC) - manifest.begun) < timedelta(minutes=1)


async def test_its_first_and_last_line_are_the_manifest(store: Store) -> None:
    await filled(store)
    lines = gzip.decompress((await saved(store)).getvalue()).splitlines()
    head, end = json.loads(lines[0]), json.loads(lines[-1])
    assert (head["service"], head["rummelig-backup"]) == ("probe", 1)
    assert end["documents"] == {"things": 1, "others": 250}


async def test_it_goes_only_into_an_empty_store(store: Store) -> None:
    await filled(store)
    file = await saved(store)
    before = await content(store)
    with pytest.raises(BackupError, match=r"not empty \(things\)"):
        await restore(store, "probe", KEPT, file)
    assert await content(store) == before


async def test_a_file_alone_makes_a_store_not_empty(store: Store) -> None:
    file = await saved(store)
    await store.write_file("a", b"1", {})
    with pytest.raises(BackupError, match=r"not empty \(file 'a'\)"):
        await restore(store, "probe", KEPT, file)


def cut(raw: bytes) -> bytes:
    return raw[: len(raw) // 2]


def cut_by_a_byte(raw: bytes) -> bytes:
    return raw[:-1]


def flipped(raw: bytes) -> bytes:
    return raw[:400] + bytes([raw[400] ^ 1]) + raw[401:]


def without_end(raw: bytes) -> bytes:
    return gzip.compress(b"\n".join(gzip.decompress(raw).splitlines()[:-1]) + b"\n")


def without_a_document(raw: bytes) -> bytes:
    lines = gzip.decompress(raw).splitlines()
    return gzip.compress(b"\n".join([*lines[:5], *lines[6:]]) + b"\n")


def with_another_value(raw: bytes) -> bytes:
    return gzip.compress(gzip.decompress(raw).replace(b'"n":7}', b'"n":8}'))


def appended(raw: bytes) -> bytes:
    return raw + raw


def nothing(_: bytes) -> bytes:
    return b""


def no_archive(_: bytes) -> bytes:
    return b"PK\x03\x04 something else"


@pytest.mark.parametrize(
    "spoil",
    [
        cut,
        cut_by_a_byte,
        flipped,
        without_end,
        without_a_document,
        with_another_value,
        appended,
        nothing,
        no_archive,
    ],
)
async def test_a_spoilt_backup_changes_nothing(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    async with fresh_store(f"sqlite:///{tmp_path}/a.db", [THINGS, OTHERS]) as store:
        await filled(store)
        raw = (await saved(store)).getvalue()
    async with fresh_store(f"sqlite:///{tmp_path}/b.db", [THINGS, OTHERS]) as other:
        with pytest.raises(BackupError, match="no whole backup"):
            await restore(other, "probe", KEPT, io.BytesIO(spoil(raw)))
        assert await content(other) == {"things": [], "others": [], "files": []}
        await refuse_unfinished(other)


@pytest.mark.parametrize(
    ("service", "kept", "said"),
    [
        ("events", KEPT, "backup of 'probe', not of 'events'"),
        ("probe", [Kept(THINGS, 1), Kept(OTHERS)], r"newer version of probe made the backup \(of things\)"),
        ("probe", [Kept(THINGS, 2)], r"newer version of probe made the backup \(of others\)"),
    ],
)
async def test_what_this_code_cannot_restore_is_told(tmp_path: Path, service: str, kept: list[Kept], said: str) -> None:
    async with fresh_store(f"sqlite:///{tmp_path}/a.db", [THINGS, OTHERS]) as store:
        file = await saved(store)
    with pytest.raises(BackupError, match=said):
        check(file, service, kept)


async def test_a_newer_file_format_is_told(tmp_path: Path) -> None:
    async with fresh_store(f"sqlite:///{tmp_path}/a.db", [THINGS, OTHERS]) as store:
        raw = gzip.decompress((await saved(store)).getvalue())
    newer = io.BytesIO(gzip.compress(raw.replace(b'"rummelig-backup":1', b'"rummelig-backup":2')))
    with pytest.raises(BackupError, match="newer version of this software"):
        check(newer, "probe", KEPT)


async def test_a_restore_that_broke_off_is_known_to_services_and_to_the_next_restore(tmp_path: Path) -> None:
    async with fresh_store(f"sqlite:///{tmp_path}/a.db", [THINGS, OTHERS]) as store:
        await filled(store)
        file = await saved(store)

    def breaks(_: str, document: Document) -> Document:
        if document["_id"] == "0220":
            raise KeyboardInterrupt
        return document

    async with fresh_store(f"sqlite:///{tmp_path}/b.db", [THINGS, OTHERS]) as other:
        with pytest.raises(KeyboardInterrupt):
            await restore(other, "probe", KEPT, file, breaks)
        assert await other.count(OTHERS, {}) > 0
        backup = save(other, "probe", KEPT, io.BytesIO())
        for again in (refuse_unfinished(other), restore(other, "probe", KEPT, file), backup):
            with pytest.raises(StoreError, match="not finished"):
                await again


async def test_without_snapshots_a_backup_wants_the_service_stopped(store: Store) -> None:
    async with store.snapshot() as snapshot:
        if snapshot.single_moment:
            pytest.skip("this store has snapshots")
    with pytest.raises(BackupError, match="--stopped"):
        await save(store, "probe", KEPT, io.BytesIO())


def test_versions_go_ahead_of_all_that_was_told_but_copies_keep_their_owners() -> None:
    beside = {"id": "b", "collection": "copies", "_id": "x", "fields": {"version": 4, "n": 1}}
    own = {"id": "c", "collection": "own", "_id": "y", "fields": {"version": 5}}
    forward = Forward(frozenset({"copies"}))
    after = forward("own", {"_id": "a", "version": 7, "beside": [beside, own]})
    assert after["version"] == 7 + Forward.STEP
    assert [b["fields"]["version"] for b in after["beside"]] == [4, 5 + Forward.STEP]
    assert forward("copies", {"_id": "x", "version": 3}) == {"_id": "x", "version": 3}


async def test_documents_that_came_back_another_way_go_ahead_too(store: Store) -> None:
    beside = {"id": "b", "collection": "things", "_id": "x", "fields": {"version": 4}}
    await store.insert(THINGS, thing("a", beside=[beside], name="Bo"))
    await store.insert(OTHERS, thing("copy"))
    assert await go_ahead(store, (THINGS, OTHERS), Forward(frozenset({"others"}))) == 1
    ahead = {**beside, "fields": {"version": 4 + Forward.STEP}}
    assert await store.get(THINGS, "a") == thing("a", name="Bo") | {"version": 1 + Forward.STEP, "beside": [ahead]}
    assert await store.get(OTHERS, "copy") == thing("copy")
