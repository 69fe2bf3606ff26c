"""The directory of one embedded system: where things are, its ports and its secrets, kept between starts."""

import contextlib
import fcntl
import json
import os
import random
import secrets
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deploy.local.problem import Problem

ROOT = Path(__file__).resolve().parents[2]
"""The repository, or the copy of it, that runs."""

PORTS = range(20_000, 30_000)
"""Below the ports that Linux and macOS hand out by themselves, so that a port stays ours while the system is down."""


class Home:
    """Paths below one directory; `create` makes them."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.run = self.path / "run"
        self.logs = self.path / "logs"
        self.broker = self.path / "rabbitmq"
        self.mailbox = self.path / "mailbox"
        self.endpoints = self.path / "endpoints.json"
        self.processes = self.run / "processes.json"
        self.plan = self.run / "plan.json"
        self.definitions = self.run / "definitions.json"
        self.lock = self.run / "lock"

    @classmethod
    def chosen(cls, environment: Mapping[str, str] = os.environ) -> "Home":
        """RUMMELIG_HOME, or `.rummelig` in the repository."""
        return cls(Path(environment.get("RUMMELIG_HOME") or ROOT / ".rummelig"))

    def create(self) -> None:
        """Make the directories; nobody else may look into them."""
        for path in (self.path, self.run, self.logs, self.broker, self.mailbox):
            try:
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise Problem(f"{path} cannot be made ({error.strerror}); set RUMMELIG_HOME to a directory") from None

    def ports(self, names: list[str], *, must_be_free: bool) -> dict[str, int]:
        """A port for each name: as last time; with `must_be_free` another where somebody has taken it meanwhile."""
        kept: dict[str, int] = read_json(self.path / "ports.json") or {}
        ports = dict(kept)
        for name in names:
            if name not in ports or (must_be_free and not _is_free(ports[name])):
                ports[name] = _free_port(set(ports.values()))
        self._keep("ports.json", kept, ports)
        return {name: ports[name] for name in names}

    def secrets(self, names: list[str]) -> dict[str, str]:
        """A random secret for each name, the same at every start; letters that need no quoting in a URL."""
        kept: dict[str, str] = read_json(self.path / "secrets.json") or {}
        known = {name: secrets.token_urlsafe(24) for name in names} | kept
        self._keep("secrets.json", kept, known)
        return {name: known[name] for name in names}

    def _keep(self, file: str, old: object, new: object) -> None:
        if new != old:
            write_json(self.path / file, new)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection that ended lately is no hindrance
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port(taken: set[int]) -> int:
    for port in random.sample(PORTS, len(PORTS)):
        if port not in taken and _is_free(port):
            return port
    raise Problem(f"no free port between {PORTS.start} and {PORTS.stop} on 127.0.0.1")


def read_json(path: Path) -> Any:
    """The content; None where there is no such file or it was cut short."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def write_json(path: Path, content: Any) -> None:
    """Replace the file as a whole; only its owner may read it, since most of these hold passwords."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.touch(mode=0o600)
    new.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    new.replace(path)


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the file's lock, which the kernel frees when the process ends. Without `wait`: says whether it was free."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
