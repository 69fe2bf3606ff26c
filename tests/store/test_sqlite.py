"""What only SQLite shows: plans, several processes on one file, kills, files that are full, locked or gone."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.store.errors import BadValue, Duplicate, Unavailable
from shared.store.port import PENDING, Between, Collection, Has, In, Index, Trim
from shared.store.sqlite import SqliteStore, keys, shredding, worker, writing
from shared.store.sqlite.store import DELETED_AT_ONCE
from tests.store.data import THINGS, ids, thing
from tests.support.stores import fresh_store

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "below" / "store.db"


@pytest.fixture
async def sqlite(file: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(file)
    await store.open([THINGS])
    yield store
    await store.close()


@pytest.mark.parametrize(
    ("where", "order", "expected"),
    [
        ({"group": "x"}, "rank", "SEARCH i/things/group+rank USING PRIMARY KEY (key>? AND key<?)"),
        ({"group": "x"}, "-rank", "SEARCH i/things/group+rank USING PRIMARY KEY (key>? AND key<?)"),
        ({"group": "x"}, None, "SEARCH i/things/group+rank USING PRIMARY KEY (key>? AND key<?)"),
        ({"group": In(["x", "y"])}, "rank", "SEARCH i/things/group+rank USING PRIMARY KEY (key>? AND key<?)"),
        ({"rank": Between(above=7)}, "rank", "SEARCH i/things/rank USING PRIMARY KEY (key>? AND key<?)"),
        ({"email": "a"}, None, "SEARCH i/things/email! USING PRIMARY KEY (key>? AND key<?)"),
        ({"tags": Has("a")}, None, "SEARCH i/things/tags USING PRIMARY KEY (key>? AND key<?)"),
        ({"_id": "a"}, None, "SEARCH c/things USING INDEX sqlite_autoindex_c/things_1 (_id=?)"),
    ],
)
async def test_queries_use_their_declared_index(
    sqlite: SqliteStore, where: dict[str, object], order: str | None, expected: str
) -> None:
    plan = await sqlite.explain(THINGS, where, order)
    assert expected in plan
    assert "SCAN c/things" not in plan
    if order is not None:
        assert "TEMP B-TREE" not in plan


async def test_writes_that_wait_together_share_a_commit(sqlite: SqliteStore) -> None:
    """Each commit costs one fsync; it also moves the count that other connections see."""
    with sqlite3.connect(sqlite.path) as other:
        await asyncio.gather(*(sqlite.insert(THINGS, thing(f"{n}")) for n in range(400)))
        (version,) = other.execute("PRAGMA data_version").fetchone()
        assert version is not None
    other.close()
    frames = (sqlite.path.parent / "store.db-wal").stat().st_size // 4096
    assert frames < 400  # one commit each would have written more pages than this
    assert await sqlite.count(THINGS, {}) == 400


async def test_a_write_that_fails_undoes_itself_and_nothing_else(sqlite: SqliteStore) -> None:
    await sqlite.insert(THINGS, thing("taken", email="a"))
    done = await asyncio.gather(
        sqlite.insert(THINGS, thing("before")),
        sqlite.insert(THINGS, thing("bad", group="g", email="a")),
        sqlite.insert(THINGS, thing("after")),
        return_exceptions=True,
    )
    assert [type(result) for result in done] == [type(None), Duplicate, type(None)]
    assert ids(await sqlite.find(THINGS, {})) == ["after", "before", "taken"]
    assert await sqlite.find(THINGS, {"group": "g"}) == []


async def test_a_caller_that_goes_away_harms_no_other(sqlite: SqliteStore) -> None:
    gone = asyncio.create_task(sqlite.insert(THINGS, thing("a")))
    await asyncio.sleep(0)
    gone.cancel()
    await sqlite.insert(THINGS, thing("b"))
    assert await sqlite.get(THINGS, "b") == thing("b")


@pytest.mark.parametrize("lines", [1, 300, 1000])
async def test_what_was_acknowledged_survives_kill_9(file: Path, lines: int) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.store.child", "insert", f"sqlite:///{file}", stdout=subprocess.PIPE, cwd=ROOT
    )
    assert child.stdout is not None
    acknowledged = [(await child.stdout.readline()).decode().strip() for _ in range(lines)]
    child.kill()
    acknowledged += (await child.stdout.read()).decode().split("\n")[:-1]
    await child.wait()
    async with fresh_store(f"sqlite:///{file}", [THINGS]) as store:
        kept = await store.find(THINGS, {}, limit=1_000_000)
        assert set(acknowledged) <= set(ids(kept))
        for document in kept:  # and its index entries with it
            assert await store.find(THINGS, {"email": document["email"]}) == [document]


async def test_two_processes_write_one_file_at_once(sqlite: SqliteStore) -> None:
    await sqlite.insert(THINGS, thing("counter", n=0))
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.store.child", "count", f"sqlite:///{sqlite.path}", "200", cwd=ROOT
    )
    for _ in range(200):
        await sqlite.update(THINGS, {"_id": "counter"}, increment={"n": 1})
    assert await child.wait() == 0
    assert await sqlite.get(THINGS, "counter") == thing("counter", n=400)


async def test_an_index_declared_later_is_filled_at_open(sqlite: SqliteStore) -> None:
    await sqlite.insert_many(THINGS, [thing("a", name="x", list=[1, 2]), thing("b", name="y")])
    more = Collection("things", (*THINGS.indexes, Index(("name",), unique=True), Index(("list",))))
    async with fresh_store(f"sqlite:///{sqlite.path}", [more]) as newer:
        assert ids(await newer.find(more, {"name": "y"})) == ["b"]
        assert ids(await newer.find(more, {"list": Has(2)})) == ["a"]
        await sqlite.insert(THINGS, thing("c", name="z"))  # by the process that does not know of the new index
        with pytest.raises(Duplicate):
            await sqlite.insert(THINGS, thing("d", name="z"))
        assert ids(await newer.find(more, {"name": "z"})) == ["c"]


async def test_a_unique_index_that_the_documents_break_cannot_be_declared(sqlite: SqliteStore) -> None:
    await sqlite.insert_many(THINGS, [thing("a", name="x"), thing("b", name="x")])
    broken = Collection("things", (Index(("name",), unique=True), Index(("list",))))
    other = SqliteStore(sqlite.path)
    with pytest.raises(Duplicate, match="name"):
        await other.open([broken])
    await other.close()
    await sqlite.insert(THINGS, thing("c", name="x"))  # nothing of it stayed


async def test_two_arrays_in_one_index_are_refused_as_by_mongodb(file: Path) -> None:
    both = Collection("both", (Index(("a", "b")),))
    async with fresh_store(f"sqlite:///{file}", [both]) as store:
        with pytest.raises(BadValue):
            await store.insert(both, thing("x", a=[1], b=[2]))


async def test_a_full_disk_is_unavailable_and_nothing_is_half_written(sqlite: SqliteStore) -> None:
    await sqlite.insert(THINGS, thing("a"))
    await sqlite._write(lambda c: c.execute(f"PRAGMA max_page_count={c.execute('PRAGMA page_count').fetchone()[0]}"))
    done = await asyncio.gather(
        *(sqlite.insert(THINGS, thing(f"{n}", text="x" * 100_000)) for n in range(3)), return_exceptions=True
    )
    assert [type(result) for result in done] == [Unavailable] * 3
    assert ids(await sqlite.find(THINGS, {})) == ["a"]
    await sqlite.insert(THINGS, thing("b", text="x" * 100_000))  # a new connection has no such limit


async def test_a_locked_file_is_unavailable_until_it_is_free(
    sqlite: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BUSY_SECONDS", 0.05)
    blocked = SqliteStore(sqlite.path)
    await blocked.open([THINGS])
    holder = sqlite3.connect(sqlite.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        await blocked.insert(THINGS, thing("a"))
    with pytest.raises(Unavailable):
        await blocked.ping()
    assert await blocked.get(THINGS, "a") is None  # reading goes on
    holder.close()
    await blocked.insert(THINGS, thing("a"))
    await blocked.close()


async def test_a_file_that_goes_away_is_unavailable_until_it_is_back(sqlite: SqliteStore, tmp_path: Path) -> None:
    await sqlite.insert(THINGS, thing("a"))
    sqlite.path.parent.rename(tmp_path / "elsewhere")
    for away in (sqlite.insert(THINGS, thing("b")), sqlite.get(THINGS, "a"), sqlite.ping()):
        with pytest.raises(Unavailable):
            await away
    assert not sqlite.path.exists()
    (tmp_path / "elsewhere").rename(sqlite.path.parent)
    await sqlite.insert(THINGS, thing("b"))
    assert ids(await sqlite.find(THINGS, {})) == ["a", "b"]


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"no database at all" * 1000)
    store = SqliteStore(path)
    with pytest.raises(Unavailable):
        await store.open([THINGS])
    await store.close()


async def test_a_directory_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = SqliteStore(tmp_path / "file" / "store.db")
    with pytest.raises(Unavailable):
        await store.open([THINGS])
    await store.close()


async def test_a_closed_store_is_unavailable_and_can_be_opened_again(sqlite: SqliteStore) -> None:
    await sqlite.insert(THINGS, thing("a"))
    await sqlite.close()
    with pytest.raises(Unavailable):
        await sqlite.get(THINGS, "a")
    await sqlite.open([THINGS])
    assert await sqlite.get(THINGS, "a") == thing("a")


async def test_shredding_again_and_again_while_a_backup_reads_does_not_make_the_log_longer(
    sqlite: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shredding, "CHECKPOINTS", 2)
    await sqlite.insert_many(THINGS, [thing(f"{n}") for n in range(2000)])
    log = sqlite.path.with_name(f"{sqlite.path.name}-wal")
    lengths = []
    async with sqlite.snapshot():
        for _ in range(3):
            with pytest.raises(Unavailable, match="cannot be emptied"):
                await sqlite.shred()
            lengths.append(log.stat().st_size)
    assert lengths[0] == lengths[1] == lengths[2]
    await sqlite.shred()
    assert log.stat().st_size == 0


async def test_a_part_of_a_large_delete_looks_for_no_more_than_it_takes(sqlite: SqliteStore) -> None:
    async def steps(group: str) -> int:
        seen = 0

        def count() -> None:
            nonlocal seen
            seen += 1

        def first(connection: sqlite3.Connection) -> int:
            connection.set_progress_handler(count, 100)
            plan = sqlite._current(connection, sqlite._plan(THINGS, {"group": group}))
            return writing.delete(connection, plan, 10)

        assert await sqlite._write(first) == 10
        return seen

    await sqlite.insert_many(THINGS, [thing(f"a{n}", group="a") for n in range(20)])
    await sqlite.insert_many(THINGS, [thing(f"b{n}", group="b") for n in range(2000)])
    few = await steps("a")
    assert await steps("b") <= few + 5


async def test_all_that_fit_are_deleted_where_arrays_bring_them_several_times(sqlite: SqliteStore) -> None:
    tags = [f"{n}" for n in range(4)]
    await sqlite.insert_many(THINGS, [thing(f"{n}", tags=tags) for n in range(DELETED_AT_ONCE + 10)])
    assert await sqlite.delete(THINGS, {"tags": In(tags)}) == DELETED_AT_ONCE + 10
    assert await sqlite.count(THINGS, {}) == 0


async def test_what_an_earlier_version_wrote_for_documents_that_wait_for_nothing_is_taken_out(
    sqlite: SqliteStore,
) -> None:
    await sqlite.insert(THINGS, thing("a"))
    with closing(sqlite3.connect(sqlite.path)) as other:
        rows = 'SELECT COUNT(*) FROM "i/things/pending_since"'
        assert other.execute(rows).fetchone() == (0,)
        other.execute('INSERT INTO "i/things/pending_since" VALUES (?, 1)', (keys.NULL + b"a",))
        other.commit()
        # As beside a process of that version: it takes the mark away and writes its entry again.
        await sqlite.save(THINGS, "a", {"version": 2, PENDING: NOW}, version=1, push={})
        assert other.execute(rows).fetchone() == (1,)
        await sqlite.trim(THINGS, [Trim("a", {})])
        other.execute('INSERT INTO "i/things/pending_since" VALUES (?, 1)', (keys.NULL + b"a",))
        other.commit()
        await sqlite.close()
        await sqlite.open([THINGS])
        assert other.execute(rows).fetchone() == (0,)
