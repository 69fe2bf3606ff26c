"""`./rummelig demo`: its whole story as a person plays it, and again on MongoDB's wire."""

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from deploy.local.demo import addresses_of, play
from deploy.local.home import ROOT
from deploy.local.plan import discover
from deploy.local.system import System
from tests.support.stores import MongoServer

CHECKS = 25
"""The least number of outcomes that the demo has to check."""


def running_below(folder: Path) -> list[str]:
    """Command lines of the processes that name a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended since the look
        if str(folder) in line:
            found.append(line)
    return found


def test_the_story_comes_out_as_told_and_nothing_is_left(tmp_path: Path):
    ran = subprocess.run(
        [str(ROOT / "rummelig"), "demo", "--json"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    result: dict[str, Any] = json.loads(ran.stdout)
    assert [check for check in result["checks"] if not check["ok"]] == []
    assert result["ok"]
    assert ran.returncode == 0
    assert len({check["name"] for check in result["checks"]}) >= CHECKS
    assert result["mails"] > 0
    assert result["seconds"] > 0
    assert list(tmp_path.iterdir()) == []
    assert running_below(tmp_path) == []


async def test_the_same_story_on_mongodbs_wire(tmp_path: Path, mongo_server: MongoServer):
    stores = {f"{name.upper()}_STORE_URL": mongo_server.database_url() for name in discover()}
    system = System(tmp_path, environment=stores)
    await asyncio.to_thread(system.start)
    try:
        await asyncio.to_thread(system.wait_ready)
        result = await play(addresses_of(system), quiet=True)
    finally:
        await asyncio.to_thread(system.stop)
    assert [check for check in result["checks"] if not check["ok"]] == []
    assert len(result["checks"]) >= CHECKS
