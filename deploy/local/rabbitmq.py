"""A private RabbitMQ node: own name, ports, data, cookie and epmd; nothing of it listens beyond 127.0.0.1."""

import os
import re
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.home import ROOT
from deploy.local.problem import Problem
from deploy.local.process import Spec

NODE = "rummelig@localhost"
DATA = "data"
PROGRAMS = (
    "/usr/lib/rabbitmq/bin/rabbitmq-server",  # Debian's: the one on the PATH insists on the rabbitmq user
    "rabbitmq-server",
    "/opt/homebrew/sbin/rabbitmq-server",
    "/usr/local/sbin/rabbitmq-server",
    "/usr/sbin/rabbitmq-server",
)
CONF = ROOT / "deploy" / "rabbitmq" / "embedded.conf"


@dataclass(frozen=True)
class Ports:
    """All on 127.0.0.1."""

    amqp: int
    distribution: int
    epmd: int
    metrics: int | None = None
    """Where the node tells its metrics for Prometheus; None: not at all, which saves it some libraries."""


class Node:
    """The files of a node below `folder`, and the processes that it takes."""

    def __init__(self, folder: Path, ports: Ports, logs: Path) -> None:
        self._folder = folder
        self._ports = ports
        self._logs = logs

    def url(self, user: str, password: str) -> str:
        """Where the user connects."""
        return f"amqp://{user}:{password}@127.0.0.1:{self._ports.amqp}/"

    def write(self, program: Path, definitions: str) -> None:
        """Everything the node reads at its start. `definitions`: JSON with users and topology."""
        self._folder.mkdir(parents=True, exist_ok=True)
        _write(self._folder / "definitions.json", definitions)
        _write(self._folder / "rabbitmq.conf", CONF.read_text(encoding="utf-8") + self._conf())
        plugin = "rabbitmq_prometheus" if self._ports.metrics else ""
        _write(self._folder / "enabled_plugins", f"[{plugin}].\n")
        _write(self._folder / "rabbitmq-env.conf", "")
        cookie = self._folder / ".erlang.cookie"
        if not cookie.exists():
            _write(cookie, secrets.token_hex(16), 0o400)
        _only_needed_plugins(program, self._folder / "program", plugin)

    def _conf(self) -> str:
        metrics = f"prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {self._ports.metrics}\n"
        return (
            f"\nlisteners.tcp.local = 127.0.0.1:{self._ports.amqp}\n"
            f"load_definitions = {self._folder / 'definitions.json'}\n"
            f"{metrics if self._ports.metrics else ''}"
        )

    def specs(self, program: Path, probe: str) -> list[Spec]:
        """epmd, which Erlang nodes are found by, and the node. In front, not as a daemon: so they are ended by id."""
        probe = f"{probe}\nqueues:{self._folder / DATA}"
        environment = self._environment(program)
        epmd = shutil.which("epmd") or str(program.with_name("epmd"))
        return [
            Spec("epmd", [epmd], str(self._logs / "epmd.log"), environment, helper=True, layer=0),
            Spec("rabbitmq", [str(program)], str(self._logs / "rabbitmq.log"), environment, probe, layer=1, grace=60),
        ]

    def _environment(self, program: Path) -> dict[str, str]:
        files = {
            "RABBITMQ_CONF_ENV_FILE": "rabbitmq-env.conf",
            "RABBITMQ_CONFIG_FILE": "rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": "advanced.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": "enabled_plugins",
            "RABBITMQ_MNESIA_BASE": DATA,
            "RABBITMQ_LOG_BASE": "log",
            "RABBITMQ_GENERATED_CONFIG_DIR": "generated",
            "RABBITMQ_SCHEMA_DIR": "schema",
            "RABBITMQ_PID_FILE": "pid",
        }
        folder = self._folder / "program"
        slim = {"RABBITMQ_SCRIPTS_DIR": f"{folder}/sbin", "RABBITMQ_PLUGINS_DIR": f"{folder}/plugins"}
        return {
            **{name: str(self._folder / file) for name, file in files.items()},
            **(slim if folder.exists() else {}),
            "HOME": str(self._folder),  # where Erlang looks for the cookie
            "PATH": os.pathsep.join([os.environ.get("PATH", os.defpath), str(program.parent), "/usr/sbin"]),
            "LC_ALL": "C.UTF-8",
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_USE_LONGNAME": "false",
            "RABBITMQ_DIST_PORT": str(self._ports.distribution),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the node, so that signals and the pid are the node's
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._ports.epmd),
            "ERL_CRASH_DUMP_SECONDS": "0",
        }


def find_program() -> Path | None:
    """RabbitMQ's start script, as its package installed it."""
    found = (shutil.which(name) for name in PROGRAMS)
    return next((Path(path) for path in found if path), None)


def _only_needed_plugins(program: Path, folder: Path, plugin: str = "") -> None:
    """A view of RabbitMQ's directory with the libraries that the server itself needs.

    Erlang looks for each of about 800 modules in each library directory in turn: without the 50 of plugins that are
    off, the node starts in 2.5 s instead of 5.5 s. Where the directory looks unknown, nothing is made, and all is used.
    """
    shutil.rmtree(folder, ignore_errors=True)
    scripts = program.resolve().parent
    libraries = {path.name.rpartition("-")[0]: path for path in (scripts.parent / "plugins").glob("*-*/")}
    needed = _needed(["rabbit", plugin] if plugin else ["rabbit"], libraries)
    if not needed:
        return
    for name, targets in {"sbin": list(scripts.iterdir()), "plugins": [libraries[name] for name in needed]}.items():
        (folder / name).mkdir(parents=True)
        for target in targets:
            (folder / name / target.name).symlink_to(target)


def _needed(first: Sequence[str], libraries: dict[str, Path]) -> set[str]:
    """The libraries and all that their .app files ask for, as far as RabbitMQ brings it; empty if unreadable."""
    found: set[str] = set()
    waiting = set(first)
    while waiting:
        name = waiting.pop()
        app = libraries[name] / "ebin" / f"{name}.app" if name in libraries else None
        asked = re.search(r"\{applications,\s*\[([^\]]*)\]", app.read_text()) if app and app.exists() else None
        if asked is None:
            return set()
        found.add(name)
        waiting |= (set(re.findall(r"\w+", asked[1])) & set(libraries)) - found
    return found


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def installed() -> Path:
    """RabbitMQ's start script; installs the distribution's package where that needs no questions."""
    from deploy.local.install import install_rabbitmq

    program = find_program() or (install_rabbitmq() and find_program())
    if not program:
        raise Problem(
            "RabbitMQ is missing and cannot be installed from here. Install it once, then run this again: "
            "`sudo apt-get install rabbitmq-server` (Debian, Ubuntu), `brew install rabbitmq` (macOS)"
        )
    return program
