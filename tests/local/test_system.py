"""Supervision, with real processes that do nothing but answer /readyz."""

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deploy.local.home import Home
from deploy.local.problem import Problem
from deploy.local.process import Identity, wait_until
from deploy.local.system import AlreadyRuns, System
from tests.local.dummies import BROKEN, repository

ELSEWHERE = {"RUMMELIG_AMQP_URL": "amqp://me:secret@broker.example/", "NOTIFICATIONS_SMTP_URL": "smtp://mail.example"}
SECONDS = 20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repository(tmp_path / "repository")


@pytest.fixture
def system(root: Path, tmp_path: Path) -> Iterator[System]:
    system = System(Home(tmp_path / "home"), root=root, environment=ELSEWHERE)
    yield system
    system.stop()


@pytest.fixture
def up(system: System) -> System:
    system.start()
    system.wait_ready(SECONDS)
    return system


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def pids(system: System) -> dict[str, int]:
    return {name: each["pid"] for name, each in system.processes().items()}


def test_status_and_endpoints(up: System) -> None:
    assert set(up.status()["processes"]) == {"apples", "pears"}
    for each in up.status()["processes"].values():
        assert set(each) == {"pid", "ready", "reasons"}
        assert (each["ready"], each["reasons"]) == (True, [])
    endpoints = up.endpoints()
    assert list(endpoints) == ["amqp", "http", "store", "mailbox"]
    assert endpoints["amqp"] == ELSEWHERE["RUMMELIG_AMQP_URL"]
    assert endpoints["store"]["pears"] == f"sqlite:///{up.home.path}/pears.db"
    assert json.loads(up.home.endpoints.read_text()) == endpoints
    assert stat.S_IMODE(up.home.endpoints.stat().st_mode) == 0o600


def test_what_a_service_is_told(up: System) -> None:
    url = up.endpoints()["http"]["apples"]
    told = {name: value for name, value in get(f"{url}/environment").items() if name.startswith("APPLES_")}
    others = json.dumps(get(f"{up.endpoints()['http']['pears']}/environment"))
    for name in ("APPLES_LINK_KEYS", "APPLES_ADDRESS_KEY"):
        secret = told.pop(name)
        assert len(secret) > 30
        assert secret not in others
    assert told == {
        "APPLES_AMQP_URL": ELSEWHERE["RUMMELIG_AMQP_URL"],
        "APPLES_STORE_URL": f"sqlite:///{up.home.path}/apples.db",
        "APPLES_HTTP_PORT": url.rpartition(":")[2],
        "APPLES_PUBLIC_URL": url,
        "APPLES_LOG_FORMAT": "json",
        "APPLES_TRUSTED_USERS": "operator,me",
    }


def test_what_the_environment_gives_wins(root: Path, tmp_path: Path) -> None:
    given = {"APPLES_STORE_URL": "mongodb://store.example/apples", "APPLES_LINK_KEYS_FILE": "/run/keys"}
    with System(Home(tmp_path / "home"), root=root, environment=ELSEWHERE | given) as system:
        system.wait_ready(SECONDS)
        told = get(f"{system.endpoints()['http']['apples']}/environment")
        assert told["APPLES_STORE_URL"] == system.endpoints()["store"]["apples"] == given["APPLES_STORE_URL"]
        assert "APPLES_LINK_KEYS" not in told  # set in both forms it would be an error


def test_what_dies_is_started_again(up: System) -> None:
    before = pids(up)
    up.kill("apples")
    up.wait_ready(SECONDS)
    after = pids(up)
    assert after["apples"] != before["apples"]
    assert after["pears"] == before["pears"]


def test_not_ready_says_why(up: System, root: Path) -> None:
    (root / "pears.away").touch()
    assert wait_until(lambda: up.status()["processes"]["pears"]["reasons"] == ["told to be away"], SECONDS)
    assert not up.status()["processes"]["pears"]["ready"]
    (root / "pears.away").unlink()
    up.wait_ready(SECONDS)


def test_held_down_and_released(up: System) -> None:
    with up.held("apples"):
        assert up.status()["processes"]["apples"] == {"pid": None, "ready": False, "reasons": ["held"]}
    up.wait_ready(SECONDS)


def test_second_start_is_refused(up: System) -> None:
    with pytest.raises(AlreadyRuns):
        System(up.home, environment=ELSEWHERE).start()


def test_stop_leaves_nothing(up: System) -> None:
    running = [Identity.of(pid) for pid in pids(up).values()] + [up.supervisor()]
    up.stop()
    assert not any(each.alive() for each in running if each)
    assert up.status() == {"processes": {}}
    assert not up.home.endpoints.exists()
    with pytest.raises(Problem, match="up --detach"):
        up.endpoints()


def test_ports_and_secrets_stay(up: System) -> None:
    before = up.endpoints(), (up.home.path / "secrets.json").read_text()
    up.stop()
    up.start()
    up.wait_ready(SECONDS)
    assert (up.endpoints(), (up.home.path / "secrets.json").read_text()) == before


def test_killed_supervisor_takes_its_processes_along(up: System) -> None:
    running, supervisor = pids(up), up.supervisor()
    assert supervisor is not None
    supervisor.signal(signal.SIGKILL)
    assert wait_until(lambda: not any(Identity.of(pid) for pid in running.values()), SECONDS)
    assert up.status() == {"processes": {}}
    up.start()
    up.wait_ready(SECONDS)


def test_what_a_killed_supervisor_left_is_ended_by_the_next_start(system: System) -> None:
    stray = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    system.home.create()
    left = {"pid": stray.pid, "started": Identity.of(stray.pid).started, "helper": False}  # type: ignore[union-attr]
    innocent = {"pid": os.getpid(), "started": "of another process with this number", "helper": False}
    gone = {"pid": 2**22 + 1, "started": "1"}
    system.home.processes.write_text(json.dumps({"supervisor": gone, "processes": {"a": left, "b": innocent}}))
    system.start()
    assert stray.wait(SECONDS) == -signal.SIGTERM
    system.wait_ready(SECONDS)


def test_service_that_cannot_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    root = repository(tmp_path / "repository", ("broken",), BROKEN)
    said = "broken ended with 1: invalid setting: BROKEN_LEVEL: must be a number"
    with (
        System(Home(tmp_path / "home"), root=root, environment=ELSEWHERE) as system,
        pytest.raises(Problem, match=said),
    ):
        system.wait_ready(60)


def test_bound_system_ends_with_who_started_it(root: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    program = f"""
import signal
from pathlib import Path
from deploy.local.home import Home
from deploy.local.system import System
system = System(Home(Path({str(home)!r})), root=Path({str(root)!r}), environment={ELSEWHERE!r})
system.start()
system.wait_ready()
print("ready", flush=True)
signal.pause()
"""
    run = partial(subprocess.Popen, [sys.executable, "-c", program], cwd=Path(__file__).parents[2])
    with run(stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "ready\n"
        system = System(Home(home), root=root)
        running = pids(system)
        starter.kill()
        starter.wait()
    assert wait_until(lambda: not system.runs() and not any(Identity.of(pid) for pid in running.values()), SECONDS)
