"""`./rummelig backup <directory>` and `restore`: every service's store as a file, and the secrets that go with them."""

import argparse
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.home import read_json, write_json
from deploy.local.plan import lasting_secrets
from deploy.local.problem import Problem
from deploy.local.system import System

SECRETS = "secrets.json"
"""The keys without which old links lead nowhere and addresses are not found; no passwords of the broker."""


def backup(arguments: Sequence[str]) -> int:
    """Save every store, while the system serves or while it is down."""
    parser = argparse.ArgumentParser(
        "rummelig backup",
        description="Saves every service's store, while it serves, and the keys of links and addresses. Guard it: it "
        "holds all personal data, and those keys.",
    )
    parser.add_argument("directory", type=Path, help="a new one")
    parser.add_argument("--stopped", action="store_true", help="for a MongoDB without replica set: its service is down")
    options = parser.parse_args(arguments)
    directory: Path = options.directory.absolute()
    if directory.exists():
        raise Problem(f"{directory} exists")
    system = System()
    whole = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}.new")
    try:
        whole.mkdir(mode=0o700, parents=True)
        for name in system.services:
            _upkeep(system, name, "backup", str(whole / f"{name}.backup"), *(["--stopped"] if options.stopped else []))
        write_json(whole / SECRETS, system.home.secrets(_secret_names(system)))
        whole.rename(directory)
    finally:
        shutil.rmtree(whole, ignore_errors=True)
    print(f"saved in {directory}: {', '.join(system.services)} and the keys of links and addresses")
    return 0


def restore(arguments: Sequence[str]) -> int:
    """Fill the empty stores of a system that is down."""
    parser = argparse.ArgumentParser(
        "rummelig restore",
        description="Fills the empty stores of a system that is down. With the broker's data still there, its log of "
        "all events tells which mails went out since the backup.",
    )
    parser.add_argument("directory", type=Path, help="what backup made")
    parser.add_argument("--moved", action="store_true", help="nothing ran since the backup: what was queued goes out")
    options = parser.parse_args(arguments)
    system = System()
    if system.runs():
        raise Problem("the system runs: ./rummelig down")
    given = _keys(options.directory)
    files = {name: options.directory / f"{name}.backup" for name in system.services}
    if missing := [str(file) for file in files.values() if not file.is_file()]:
        raise Problem(f"there is no {', '.join(missing)}")
    had_broker = system.home.broker.is_dir() and any(system.home.broker.iterdir())
    system.home.create()
    _take_over(system, given)
    moved = ["--moved"] if options.moved else []
    if not had_broker or options.moved:
        _restore_each(system, files, moved, {})
    else:
        with System(system.home, services=[]) as broker:
            broker.wait_ready()
            _restore_each(system, files, moved, {"RUMMELIG_AMQP_URL": system.amqp_url("operator")})
    print(f"restored from {options.directory}; start with ./rummelig up")
    return 0


def _restore_each(system: System, files: Mapping[str, Path], moved: list[str], more: Mapping[str, str]) -> None:
    for name, file in files.items():
        _upkeep(system, name, "restore", str(file), *moved, **more)


def _upkeep(system: System, service: str, *arguments: str, **more: str) -> None:
    """The service's own command, with the settings that it runs with."""
    spec = system.service(service)
    done = subprocess.run(
        [*spec.arguments, *arguments],
        env={**os.environ, **spec.environment, **more},
        cwd=spec.directory,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Problem(f"{service}: {done.stderr.strip().rpartition('\n')[2]}")
    print(done.stderr.strip(), flush=True)


def _secret_names(system: System) -> list[str]:
    return lasting_secrets(system.services)


def _keys(directory: Path) -> dict[str, str]:
    found: dict[str, str] | None = read_json(directory / SECRETS)
    if found is None:
        raise Problem(f"{directory} holds no backup: there is no {SECRETS}")
    return found


def _take_over(system: System, given: Mapping[str, str]) -> None:
    """The keys of the backup are the system's from now on."""
    path = system.home.path / SECRETS
    kept: dict[str, str] = read_json(path) or {}
    write_json(path, kept | dict(given))
