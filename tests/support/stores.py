"""Stores for tests: SQLite always; MongoDB at TEST_MONGO_URL, else as the container mongo:8, else as mongoeco.

`store` runs a test on each of them, on a fresh one, opened with the collections of the fixture `collections`, which a
test module overrides. `fresh_store` gives further ones.
"""

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from shared.store.connect import connect
from shared.store.port import Collection, Store

MONGO_IMAGE = "mongo:8"


@dataclass(frozen=True)
class MongoServer:
    """Where a MongoDB is, and what it is: `mongo`, or a stand-in, `documentdb` or the smaller `mongoeco`."""

    url: str  # without a database
    kind: str

    def database_url(self) -> str:
        """Of a database that nobody has."""
        base, _, query = self.url.partition("?")
        return f"{base.rstrip('/')}/test_{uuid.uuid4().hex[:12]}" + (f"?{query}" if query else "")


@asynccontextmanager
async def fresh_store(url: str, collections: Sequence[Collection] = ()) -> AsyncIterator[Store]:
    """The store behind a URL, open; afterwards closed, and a MongoDB database dropped."""
    store = connect(url)
    try:
        await store.open(collections)
        yield store
    finally:
        await store.close()
        if url.startswith("mongodb"):
            await asyncio.to_thread(_drop, url)


def _drop(url: str) -> None:
    with suppress(PyMongoError), MongoClient[dict[str, object]](url, serverSelectionTimeoutMS=1000) as client:
        client.drop_database(client.get_default_database().name)


@pytest.fixture(scope="session")
def mongo_server() -> Iterator[MongoServer]:
    """The MongoDB of this test run."""
    if url := os.environ.get("TEST_MONGO_URL"):
        yield MongoServer(url, _kind(url))
    elif os.environ.get("TEST_CONTAINERS") == "1" and has_image(MONGO_IMAGE):
        with mongo_container() as url:
            yield MongoServer(url, _kind(url))
    else:
        with _mongoeco() as url:
            yield MongoServer(url, "mongoeco")


@pytest.fixture(params=["sqlite", "mongo"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that is empty, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    server: MongoServer = request.getfixturevalue("mongo_server")
    return server.database_url()


@pytest.fixture
def collections() -> Sequence[Collection]:
    """What `store` is opened with; a test module overrides it."""
    return ()


@pytest.fixture
async def store(store_url: str, collections: Sequence[Collection]) -> AsyncIterator[Store]:
    """A fresh store, open, of each kind."""
    async with fresh_store(store_url, collections) as opened:
        yield opened


@pytest.fixture
def server_kind(store_url: str, request: pytest.FixtureRequest) -> str:
    """`sqlite`, or which MongoDB: for what a stand-in cannot do."""
    if store_url.startswith("sqlite"):
        return "sqlite"
    server: MongoServer = request.getfixturevalue("mongo_server")
    return server.kind


def _kind(url: str) -> str:
    """DocumentDB's gateway is told by the query plans that it cannot show."""
    with MongoClient[dict[str, object]](url) as client:
        try:
            client.get_database("test").command("explain", {"find": "none"})
        except OperationFailure:
            return "documentdb"
    return "mongo"


def has_image(name: str) -> bool:
    """Whether a Docker engine answers and has the image."""
    with suppress(FileNotFoundError, subprocess.TimeoutExpired):
        asked = subprocess.run(["docker", "image", "inspect", name], capture_output=True, timeout=20, check=False)
        return asked.returncode == 0
    return False


@contextmanager
def mongo_container(port: int | None = None) -> Iterator[str]:
    """A MongoDB in a container, on a port of this machine; its URL."""
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # one more image; the context manager stops it too
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    container = DockerContainer(MONGO_IMAGE).waiting_for(LogMessageWaitStrategy("aiting for connections"))
    container = container.with_bind_ports(27017, port) if port else container.with_exposed_ports(27017)
    with container:
        yield f"mongodb://{container.get_container_host_ip()}:{container.get_exposed_port(27017)}"


@contextmanager
def _mongoeco() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.mongoeco_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        try:
            # It answers one thing after the other: a look at its health may have to wait for a large write.
            yield f"mongodb://127.0.0.1:{port}/?connectTimeoutMS=30000"
        finally:
            server.stdin.close()
