"""`./rummelig` in a scratch copy, with one tiny package from a directory of its own: no network."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN_SECONDS = 0.5  # what later starts may take besides
BASES = ("/usr/local/bin/python3.13", "/usr/bin/python3.13", "/opt/homebrew/bin/python3.13")


def wheel(folder: Path, version: str) -> str:
    """Put tiny-<version> into the folder; its line for a lock."""
    folder.mkdir(exist_ok=True)
    path, info = folder / f"tiny-{version}-py3-none-any.whl", f"tiny-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("tiny.py", f"version = {version!r}\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", f"tiny.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return f"tiny=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


class Scratch:
    """A repository with nothing but the launcher; its command says which packages it sees."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "with a blank"
        self.lock = self.root / "requirements.lock"
        self.stamp = self.root / ".venv" / "installed.lock"
        (self.root / "deploy" / "local").mkdir(parents=True)
        shutil.copy(ROOT / "rummelig", self.root)
        shutil.copy(ROOT / "deploy/local/prepare.py", self.root / "deploy/local")
        command = "import os, sys, tiny; print(tiny.version, os.getcwd(), *sys.argv[1:])"
        (self.root / "deploy/local/__main__.py").write_text(command)
        self.wheels = folder / "wheels"
        self.lock.write_text(wheel(self.wheels, "1.0"))
        self.environment = {
            **os.environ,
            "RUMMELIG_PYTHON": sys.executable,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": self.wheels.as_uri(),
            "PIP_USER": "1",  # would break an installation into .venv
            "PYTHONPATH": "",
        }

    def start(self, *arguments: str, **options: object) -> subprocess.Popen[str]:
        command = [str(self.root / "rummelig"), *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": self.root.parent}
        return subprocess.Popen(command, **{"env": self.environment, **pipes, **options})  # type: ignore[call-overload,no-any-return]

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        return process.returncode, out.strip(), err.strip()


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    return Scratch(tmp_path)


def test_first_start_prepares_later_ones_only_what_changed_and_a_wrong_hash_is_refused(scratch: Scratch) -> None:
    code, out, err = scratch.run("a", "b c")
    assert (code, out) == (0, f"1.0 {scratch.root.parent} a b c"), err
    assert "making .venv" in err
    assert "WARNING" not in err

    began = time.monotonic()
    assert scratch.run("again") == (0, f"1.0 {scratch.root.parent} again", "")
    assert time.monotonic() - began < OWN_SECONDS

    scratch.lock.write_text(wheel(scratch.wheels, "2.0"))
    code, out, err = scratch.run()
    assert (code, out.split()[0]) == (0, "2.0"), err
    assert "making .venv" not in err  # what is whole stays

    wheel(scratch.wheels, "3.0")
    scratch.lock.write_text(f"tiny==3.0 --hash=sha256:{'0' * 64}\n")
    code, out, err = scratch.run()
    assert (code, out) == (1, "")
    assert "DO NOT MATCH" in err
    assert not scratch.stamp.exists()


def test_killed_while_it_installs(scratch: Scratch) -> None:
    first = scratch.start(start_new_session=True)
    assert first.stderr is not None
    while "installing packages" not in first.stderr.readline():
        assert first.poll() is None
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert not scratch.stamp.exists()
    code, out, err = scratch.run()
    assert (code, out.split()[0]) == (0, "1.0"), err


def test_two_starts_at_once(scratch: Scratch) -> None:
    both = [scratch.start(str(number)) for number in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("making .venv" in err for _, err in said) == 1
    assert sum("waiting for it" in err for _, err in said) == 1


def test_no_python_says_how_to_get_one(scratch: Scratch, tmp_path: Path) -> None:
    if found := [base for base in BASES if Path(base).exists()]:
        pytest.skip(f"this machine has {found[0]}, which the launcher finds whatever the PATH is")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "cmp", "id", "env"):
        (tools / name).symlink_to(shutil.which(name) or name)
    broken = tools / "python3.13"  # as pyenv's: it is there and does not run
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(0o755)
    scratch.environment = {"PATH": str(tools), "HOME": str(tmp_path)}
    code, out, err = scratch.run()
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("rummelig: Python 3.13 is missing and cannot be fetched from here. Install")
    assert len(err.splitlines()) == 1
