"""`python -m services.<name> backup|restore|restored|migrate`, each a process of its own as in a container."""

import gzip
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.home import ROOT
from services.supplier.store import SUPPLIERS
from shared.store.connect import connect
from shared.store.work import INBOX
from tests.support.stores import MongoServer

pytestmark = pytest.mark.faults  # a dozen processes, one after another

PROFILE = {"_id": "s", "version": 3, "name": "Rent Bord ApS", "outbox": [{"id": "e"}]}


def upkeep(url: str, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "services.supplier", *arguments],
        env={**os.environ, "SUPPLIER_STORE_URL": url, "SUPPLIER_ADDRESS_KEY": "only-for-tests-0123456789"},
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
async def url(tmp_path: Path) -> str:
    """A store with one supplier."""
    found = f"sqlite:///{tmp_path}/supplier.db"
    store = connect(found)
    await store.open([SUPPLIERS.collection, INBOX])
    await store.insert(SUPPLIERS.collection, PROFILE)
    await store.close()
    return found


async def profile(url: str) -> object:
    store = connect(url)
    await store.open([SUPPLIERS.collection])
    found = await store.get(SUPPLIERS.collection, "s")
    await store.close()
    return found


async def test_from_sqlite_to_mongodb_and_on(url: str, tmp_path: Path, mongo_server: MongoServer):
    file = tmp_path / "supplier.backup"
    saved = upkeep(url, "backup", str(file))
    assert saved.returncode == 0, saved.stderr
    assert b"supplier, " in saved.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    mongo = mongo_server.database_url()
    moved = upkeep(mongo, "restore", str(file), "--moved")
    assert moved.returncode == 0, moved.stderr
    assert await profile(mongo) == PROFILE
    running = upkeep(mongo, "backup", "-")
    assert running.returncode == (1 if b"--stopped" in running.stderr else 0)
    saved = upkeep(mongo, "backup", "-", "--stopped")
    assert saved.returncode == 0, saved.stderr
    third = f"sqlite:///{tmp_path}/third.db"
    restored = upkeep(third, "restore", "-", stdin=saved.stdout)
    assert restored.returncode == 0, restored.stderr
    assert await profile(third) == PROFILE | {"version": 1_000_003}


def test_what_cannot_be_done_is_told_in_a_line(url: str, tmp_path: Path):
    file = tmp_path / "supplier.backup"
    file.write_bytes(gzip.compress(b"{}\n"))
    for arguments, code, said in (
        (("backup", str(file)), 1, b"exists"),
        (("restore", str(file)), 1, b"no whole backup"),
        (("restore", str(tmp_path / "none")), 1, b"No such file"),
        (("sing",), 2, b"invalid choice"),
        (("restored",), 2, b"--since"),
    ):
        done = upkeep(url, *arguments)
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr
        assert b"Traceback" not in done.stderr


def test_migrate_says_what_it_did(url: str):
    done = upkeep(url, "migrate")
    assert (done.returncode, done.stderr.strip()) == (0, b"nothing to migrate")
