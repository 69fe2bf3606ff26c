"""Case 6: the store is killed, locked or full in the middle of many commands.

Each command that the broker took has its effect and the events of it: none without the other, none twice.
"""

import asyncio
import os
import resource
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.messaging.publisher import Publisher
from shared.store.connect import connect
from tests.faults.nodes import node
from tests.faults.probing import NOTHING, Account, Load, settled
from tests.messaging import probe
from tests.messaging.conftest import REPOSITORIES
from tests.support.running import running, until
from tests.support.stores import MONGO_IMAGE, fresh_store, has_image, mongo_container

COLLECTIONS = [r.collection for r in REPOSITORIES]
ROOT = Path(__file__).parents[2]
COUNTS = [100, pytest.param(1000, marks=[pytest.mark.faults, pytest.mark.timeout(600)])]

pytestmark = pytest.mark.usefixtures("clean")


async def played(url: str, folder: Path, operator: Publisher, *, store_url: str, count: int, faults: Any) -> Account:
    """Commands from five publishers, with faults while they are on their way; what became of them."""
    load = Load(url, 5, count)
    async with running(probe, REPOSITORIES, folder, url, store_url=store_url) as service:
        sending = asyncio.create_task(load.send())
        await asyncio.gather(sending, faults(load))
        return await settled(service, operator, load.sent)


@pytest.mark.parametrize("count", COUNTS)
async def test_case_6_sqlite_locked_by_another_process(*, broker, tmp_path, operator, told, count):
    path = tmp_path / "probe.db"

    async def lock(load: Load) -> None:
        await load.reached(count // 4)
        other = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
        await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
        await asyncio.sleep(6)  # longer than SQLite waits for a lock: writes fail
        other.close()

    url = broker.url("operator")
    account = await played(url, tmp_path, operator, store_url=f"sqlite:///{path}", count=count, faults=lock)
    told("6", store="SQLite locked for 6 s", commands=count, **account.as_dict())
    assert account == NOTHING


@pytest.mark.parametrize("count", COUNTS)
async def test_case_6_sqlite_full(*, broker, tmp_path, operator, told, count):
    """No file of the process may grow, as on a full disk; then there is room again."""
    path, url = tmp_path / "probe.db", broker.url("operator")
    load = Load(url, 5, count)
    store_url = f"sqlite:///{path}"
    async with node(url, store_url, silent=True) as full, fresh_store(store_url, COLLECTIONS) as store:

        async def effects() -> int:
            return sum([d["total"] async for d in store.everything(probe.COUNTERS.collection)])

        async def stands_still() -> bool:
            before = await effects()
            await asyncio.sleep(0.5)
            return before == await effects()

        sending = asyncio.create_task(load.send())
        await until(effects, lambda n: n >= count // 10)
        resource.prlimit(full.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        await sending
        await until(stands_still)
        assert await effects() < count
        resource.prlimit(full.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await until(effects, lambda n: n >= count, patience=60)
    async with running(probe, REPOSITORIES, tmp_path, url, store_url=f"sqlite:///{path}") as service:
        account = await settled(service, operator, load.sent)
    told("6", store="SQLite without room", commands=count, **account.as_dict())
    assert account == NOTHING


@pytest.mark.faults
@pytest.mark.timeout(600)
async def test_case_6_mongodb_s_wire_killed(*, broker, tmp_path, operator, told):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = await _mongoeco(port, tmp_path)

    async def kill(load: Load) -> None:
        nonlocal server
        for share in (1, 2, 3):
            await load.reached(load.count * share // 4)
            server.kill()
            await asyncio.to_thread(server.communicate)
            server = await _mongoeco(port, tmp_path)

    store_url = f"mongodb://127.0.0.1:{port}/probe?directConnection=true"
    url = broker.url("operator")
    try:
        account = await played(url, tmp_path, operator, store_url=store_url, count=100, faults=kill)
    finally:
        server.kill()
        server.communicate()
    told("6", store="mongoeco killed 3 times", commands=100, **account.as_dict())
    assert account == NOTHING


async def _mongoeco(port: int, folder: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.support.mongoeco_server", str(port), str(folder / "mongoeco.db")]
    server = await asyncio.to_thread(
        subprocess.Popen, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=os.environ
    )
    assert server.stdout is not None
    assert await asyncio.to_thread(server.stdout.readline)
    return server


@pytest.mark.containers
@pytest.mark.faults
@pytest.mark.timeout(600)
async def test_case_6_mongodb_killed(*, broker, tmp_path, operator, told):
    if not has_image(MONGO_IMAGE):
        pytest.skip(f"no Docker engine with {MONGO_IMAGE}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with mongo_container(port) as base:
        store_url, name = f"{base}/probe", await _docker("ps", "-q", "--filter", f"publish={port}")

        async def kill(load: Load) -> None:
            for share in (1, 2, 3):
                await load.reached(load.count * share // 4)
                await _docker("kill", "-s", "KILL", name)
                await _docker("start", name)
                store = connect(store_url)
                await store.open([])
                await store.close()

        url = broker.url("operator")
        account = await played(url, tmp_path, operator, store_url=store_url, count=1000, faults=kill)
    told("6", store="MongoDB killed 3 times", commands=1000, **account.as_dict())
    assert account == NOTHING


async def _docker(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec("docker", *arguments, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode().strip()
