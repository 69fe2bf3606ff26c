"""What only a MongoDB shows: plans, lost replies, servers that are away or die."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from shared.store.connect import connect
from shared.store.errors import Duplicate, Stale, Unavailable
from shared.store.port import Between, Store
from tests.store.data import THINGS, ids, thing
from tests.support.running import until
from tests.support.stores import MONGO_IMAGE, MongoServer, fresh_store, has_image, mongo_container
from tests.support.wire import Wire, dropping_replies


@pytest.fixture
async def url(mongo_server: MongoServer) -> AsyncIterator[str]:
    address = mongo_server.database_url()
    async with fresh_store(address, [THINGS]):
        yield address


async def test_queries_use_their_declared_index(mongo_server: MongoServer, url: str) -> None:
    if mongo_server.kind != "mongo":
        pytest.skip(f"{mongo_server.kind} shows no query plan that names indexes")
    async with fresh_store(url, [THINGS]) as store:
        await store.insert_many(THINGS, [thing(str(n), group=f"g{n % 5}", rank=n, email=f"{n}") for n in range(200)])
        for where, order, index in (
            ({"group": "g1"}, "rank", "group+rank"),
            ({"group": "g1"}, "-rank", "group+rank"),
            ({"email": "7"}, None, "email"),
            ({"rank": Between(above=7)}, "rank", "rank"),
        ):
            plan = await store.explain(THINGS, where, order)
            assert f'"indexName": "{index}"' in plan
            assert '"stage": "SORT"' not in plan
            assert "COLLSCAN" not in plan


async def test_a_url_without_a_database_is_refused() -> None:
    for url in ("mongodb://127.0.0.1:27017", "mongodb://127.0.0.1:27017/", "mongodb://127.0.0.1/?w=1"):
        with pytest.raises(ValueError, match="database"):
            connect(url)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        store = connect(f"mongodb://127.0.0.1:{taken.getsockname()[1]}/none?serverSelectionTimeoutMS=200")
        with pytest.raises(Unavailable):
            await store.open([THINGS])
        for ask in (store.ping(), store.write_file("a", b"", {})):
            with pytest.raises(Unavailable):
                await ask
        await store.close()
        with pytest.raises(Unavailable):
            await store.ping()


@asynccontextmanager
async def _through(url: str, wire: Wire) -> AsyncIterator[Store]:
    """A store whose connections go through a wire that a test can cut."""
    host, _, name = url.removeprefix("mongodb://").partition("?")[0].partition("/")
    async with dropping_replies(host, wire) as port:
        store = connect(f"mongodb://127.0.0.1:{port}/{name}?directConnection=true&serverSelectionTimeoutMS=2000")
        await store.open([THINGS])
        try:
            yield store
        finally:
            await store.close()


async def test_a_write_whose_reply_is_lost_is_there_once_and_said_to_be_unsure(url: str) -> None:
    wire = Wire()
    async with _through(url, wire) as store:
        wire.lose_reply_to(b"insert\0")
        with pytest.raises(Unavailable):
            await store.insert(THINGS, thing("a"))
        assert await store.get(THINGS, "a") == thing("a")
        with pytest.raises(Duplicate):
            await store.insert(THINGS, thing("a"))

        wire.lose_reply_to(b"update\0")
        with pytest.raises(Unavailable):
            await store.save(THINGS, "a", {"version": 2}, version=1, push={"outbox": [{"id": "1"}]})
        assert await store.get(THINGS, "a") == {"_id": "a", "version": 2, "outbox": [{"id": "1"}]}
        with pytest.raises(Stale):
            await store.save(THINGS, "a", {"version": 2}, version=1, push={"outbox": [{"id": "1"}]})
    assert wire.lost == 2


async def test_a_connection_that_breaks_is_made_again_by_itself(url: str) -> None:
    wire = Wire()
    async with _through(url, wire) as store:
        await store.insert(THINGS, thing("a"))
        wire.cut()
        with pytest.raises(Unavailable):
            await store.insert(THINGS, thing("b"))
        wire.mend()
        assert await store.get(THINGS, "a") == thing("a")
        await store.insert(THINGS, thing("c"))


async def test_what_was_acknowledged_survives_the_kill_of_the_client(url: str) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.store.child", "insert", url, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert child.stdout is not None
    acknowledged = [(await child.stdout.readline()).decode().strip() for _ in range(20)]
    child.kill()
    acknowledged += (await child.stdout.read()).decode().split("\n")[:-1]
    await child.wait()
    async with fresh_store(url, [THINGS]) as store:
        assert set(acknowledged) <= set(ids(await store.find(THINGS, {}, limit=10_000)))


@pytest.mark.containers
async def test_what_was_acknowledged_survives_the_kill_of_the_server() -> None:
    if not has_image(MONGO_IMAGE):
        pytest.skip(f"no Docker engine with {MONGO_IMAGE}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with mongo_container(port) as base:
        store = connect(f"{base}/durable")
        await store.open([THINGS])
        acknowledged: list[str] = []

        async def write(worker: int) -> None:
            for number in range(10_000):
                await store.insert(THINGS, thing(f"{worker}-{number}"))
                acknowledged.append(f"{worker}-{number}")

        writers = [asyncio.create_task(write(worker)) for worker in range(8)]

        async def written() -> int:
            return len(acknowledged)

        await until(written, lambda count: count >= 200)
        name = await _docker("ps", "-q", "--filter", f"publish={port}")
        await _docker("kill", "-s", "KILL", name)
        ends = await asyncio.gather(*writers, return_exceptions=True)
        assert all(isinstance(end, Unavailable) for end in ends)
        await _docker("start", name)
        await until(partial(_is_there, store), patience=60)
        assert set(await store.get_many(THINGS, acknowledged)) == set(acknowledged)
        await store.close()


async def _docker(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec("docker", *arguments, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode().strip()


async def _is_there(store: Store) -> bool:
    try:
        await store.ping()
    except Unavailable:
        return False
    return True
