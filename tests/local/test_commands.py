"""`./rummelig` itself, on a home where nothing runs."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def rummelig(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RUMMELIG_HOME": str(home)}
    command = [str(ROOT / "rummelig"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False, cwd="/")


@pytest.mark.parametrize("arguments", [["-h"], ["--help"], ["help"]])
def test_help_names_every_command(tmp_path: Path, arguments: list[str]) -> None:
    done = rummelig(tmp_path, *arguments)
    assert done.returncode == 0
    for command in ("demo", "up", "down", "status", "mailbox", "test", "send", "watch", "dead", "replay", "contracts"):
        assert f"\n  {command} " in done.stdout


def test_nothing_runs(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert json.loads(rummelig(home, "status", "--json").stdout) == {"processes": {}}
    assert rummelig(home, "status").stdout == "nothing runs: ./rummelig up --detach\n"
    assert rummelig(home, "mailbox").stdout == "0 mails\n"
    assert rummelig(home, "down").stdout == "nothing runs\n"
    assert not home.exists()


def test_no_such_mail(tmp_path: Path) -> None:
    done = rummelig(tmp_path, "mailbox", "show", "1")
    assert (done.returncode, done.stderr) == (1, "rummelig: no mail yet\n")


def test_a_home_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = rummelig(tmp_path / "file" / "home", "up", "--detach")
    assert done.returncode == 1
    assert done.stderr.startswith("rummelig: ")
    assert "set RUMMELIG_HOME to a directory" in done.stderr
    assert done.stderr.count("\n") == 1
