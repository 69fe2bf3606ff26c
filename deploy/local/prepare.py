"""Makes `.venv` with exactly the packages of requirements.lock. Runs before any is there: standard library only.

`installed.lock` in `.venv` is a copy of the lock, written last: where it is missing, an earlier run was interrupted and
all is made anew; where it differs, packages changed.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BREAKS_PIP = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_CONSTRAINT", "PIP_REQUIREMENT", "PIP_DRY_RUN")
"""Settings that send packages elsewhere or cannot go with hashes. Where they come from stays the person's choice."""


def main(root: Path = ROOT) -> int:
    """Prepare; 0 when `.venv` is as the lock says."""
    lock, target = root / "requirements.lock", root / ".venv"
    with (root / ".venv.lock").open("w") as file:
        _take(file.fileno())
        wanted = lock.read_text(encoding="utf-8")
        stamp = target / "installed.lock"
        if _read(stamp) == wanted and (target / "bin/python").exists():
            return 0  # another start has done it meanwhile
        began = time.monotonic()
        _venv(target, stamp)
        stamp.unlink(missing_ok=True)
        if not _install(target, lock):
            return 1
        stamp.write_text(wanted, encoding="utf-8")
        _say(f"packages are ready after {time.monotonic() - began:.0f} s")
    return 0


def _take(lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _say("another start is preparing the packages; waiting for it")
        fcntl.flock(lock, fcntl.LOCK_EX)


def _venv(target: Path, stamp: Path) -> None:
    """A whole environment with pip; what an interrupted run left is thrown away."""
    if stamp.exists() and (target / "bin/python").exists():
        return
    _say(f"making .venv with Python {sys.version.split()[0]}")
    if target.is_symlink():
        target.unlink()  # what it points to is not ours to clear
    shutil.rmtree(target, ignore_errors=True)
    venv.create(target, with_pip=True)


def _install(target: Path, lock: Path) -> bool:
    total = len(re.findall(r"^[\w.-]+==", lock.read_text(encoding="utf-8"), re.MULTILINE))
    _say(f"installing packages from requirements.lock (about {total}, checked by their hashes)")
    command = [str(target / "bin/python"), "-m", "pip", "install", "--requirement", str(lock)]
    command += ["--require-hashes", "--no-deps", "--prefer-binary", "--progress-bar", "off", "--no-input"]
    command += ["--disable-pip-version-check", "--no-warn-script-location"]
    environment = {name: value for name, value in os.environ.items() if name not in BREAKS_PIP}
    log = target / "install.log"
    with log.open("w", encoding="utf-8") as complaints:
        pip = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints, env=environment, text=True)
        assert pip.stdout is not None  # noqa: S101 - asked for with PIPE
        _progress(iter(pip.stdout), total)
    if pip.wait() != 0:
        errors = [line for line in log.read_text(encoding="utf-8").splitlines() if not line.startswith("WARNING")]
        _say("pip could not install the packages:\n" + "\n".join(errors[-12:]))
        _say(f"Once that is mended (network? package index?), run it again. All of pip's words: {log}")
    return pip.returncode == 0


def _progress(lines: Iterator[str], total: int) -> None:
    """One line that grows on a terminal; elsewhere a line for each quarter."""
    terminal = sys.stderr.isatty()
    seen = told = 0
    for line in lines:
        if not line.startswith(("Collecting", "Requirement already", "Installing collected")):
            continue
        seen += 1
        said = "unpacking" if line.startswith("Installing") else f"{min(seen, total)} of {total}"
        if terminal:
            print(f"\r  {said:20}", end="", file=sys.stderr, flush=True)
        elif seen * 4 // total > told or said == "unpacking":
            told = seen * 4 // total
            _say(f"  {said}")
    if terminal:
        print("\r" + " " * 22 + "\r", end="", file=sys.stderr)


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _say(line: str) -> None:
    print("rummelig:", line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        _say("interrupted; the next start begins again")
        sys.exit(130)
