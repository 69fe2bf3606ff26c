"""Processes: how one is started, recognised again and ended."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

LINUX = Path("/proc/self/stat").exists()
PR_SET_PDEATHSIG = 1  # linux/prctl.h
KEEP_LOG_BYTES = 20_000_000
WAITS = "waits"
"""The reason of a process that was not started yet."""
HELD = "held"
"""The reason of one that waits for its hold file to go."""
BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}
"""Compiled modules are kept beside their sources, also where an image's environment says otherwise: that is meant for
what is built into images, and each process would compile all of ours again at every start."""


@dataclass(frozen=True)
class Spec:
    """A process to keep running. JSON can hold it: the plan goes to the supervisor as a file."""

    name: str
    arguments: list[str]
    log: str
    environment: dict[str, str] = field(default_factory=dict)
    """Added to the supervisor's own."""
    probe: str = ""
    """What tells that it is ready, see `deploy.local.probe`; empty: it is as soon as it runs."""
    layer: int = 0
    """Ended after all processes of higher layers have ended."""
    grace: float = 25.0
    """Seconds from SIGTERM to SIGKILL."""
    helper: bool = False
    """Not shown to people."""
    directory: str = "."

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Identity:
    """A process that is not mistaken for a later one with the same number."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """None where no such process runs."""
        started = _started(pid)
        return cls(pid, started) if started else None

    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        return _started(self.pid) == self.started

    def signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _started(pid: int) -> str | None:
    if LINUX:
        try:
            after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if after_name[0] in "ZX" else after_name[19]  # proc_pid_stat(5): state is field 3, starttime 22
    told = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = told.stdout.strip().partition(" ")
    return started.strip() if started and not state.startswith("Z") else None


def end_all(identities: Iterable[Identity], grace: float) -> None:
    """SIGTERM, and SIGKILL for what still runs after `grace` seconds. None of them need be a child of ours."""
    left = [each for each in identities if each.alive()]
    for each in left:
        each.signal(signal.SIGTERM)
    wait_until(lambda: not any(each.alive() for each in left), grace)
    for each in left:
        each.signal(signal.SIGKILL)
    wait_until(lambda: not any(each.alive() for each in left), 5)


def wait_until(reached: Callable[[], bool], seconds: float, pause: float = 0.02) -> bool:
    """Look every `pause` seconds until it holds; False when it did not in time."""
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


def start_options(log: Path, environment: Mapping[str, str], directory: str, *, bound: bool = True) -> dict[str, Any]:
    """Keyword arguments for Popen: own session, output appended to the log; `bound`: it ends with who starts it."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    options = {
        "stdin": subprocess.DEVNULL,
        "stdout": output,
        "stderr": output,
        "env": {**os.environ, **BYTECODE, **environment},
        "cwd": directory,
        "start_new_session": True,  # Ctrl-C in a terminal is for who reads the terminal
    }
    return options | ({"preexec_fn": _end_with_parent(os.getpid())} if bound and LINUX else {})


def start(spec: Spec) -> subprocess.Popen[bytes]:
    """Start it; it ends when this process ends, however that happens (Linux; elsewhere the next `up` finds it)."""
    options = start_options(Path(spec.log), spec.environment, spec.directory)
    try:
        return subprocess.Popen(spec.arguments, **options)
    finally:
        os.close(options["stdout"])


def _end_with_parent(parent: int) -> Callable[[], None]:
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork: between fork and exec nothing may be allocated

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return before_exec
