"""`up`, `status`, `send`, `watch`, `down` as an operator types them, each a process of its own."""

import json
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.local.home import ROOT
from deploy.local.plan import discover
from deploy.local.process import Identity, wait_until
from shared.contracts.examples import example
from shared.contracts.supplier import RegisterSupplier
from tests.support.embedded import on_its_own, program, rummelig

SERVICES = discover()
SUPPLIER = example(RegisterSupplier).model_dump(mode="json", exclude_none=True)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where `./rummelig up --detach` has started a system."""
    path = tmp_path_factory.mktemp("operating") / "home"
    started = rummelig("up", "--detach", home=path, seconds=100)
    try:
        assert started.returncode == 0, started.stderr
        assert "ready after" in started.stdout
        yield path
    finally:
        rummelig("down", home=path, seconds=100)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A supplier to register, as a file."""
    path = tmp_path / "supplier.json"
    path.write_text(json.dumps(SUPPLIER), encoding="utf-8")
    return path


def status(home: Path) -> dict[str, dict[str, Any]]:
    shown = rummelig("status", "--json", home=home)
    assert shown.returncode == 0, shown.stderr
    processes: dict[str, dict[str, Any]] = json.loads(shown.stdout)["processes"]
    return processes


def test_up_returns_when_all_is_ready(home: Path):
    processes = status(home)
    assert set(processes) == {*SERVICES, "rabbitmq", "mail"}
    for each in processes.values():
        assert each.keys() == {"pid", "ready", "reasons"}
        assert each["ready"]
        assert each["reasons"] == []
        assert isinstance(each["pid"], int)


def test_a_second_up_says_that_it_runs(home: Path):
    again = rummelig("up", "--detach", home=home)
    assert again.returncode == 0, again.stderr
    assert "it runs already" in again.stdout


def test_endpoints_json_says_where_things_are_to_its_owner_alone(home: Path):
    file = home / "endpoints.json"
    endpoints = json.loads(file.read_text(encoding="utf-8"))
    assert endpoints.keys() == {"amqp", "http", "store", "mailbox"}
    assert endpoints["amqp"].startswith("amqp://integrator:")
    port = json.loads((home / "ports.json").read_text())["rabbitmq"]
    assert endpoints["amqp"].endswith(f"@127.0.0.1:{port}/")
    assert set(endpoints["http"]) == set(endpoints["store"]) == set(SERVICES)
    assert all(url.startswith("http://127.0.0.1:") for url in endpoints["http"].values())
    assert all(url == f"sqlite:///{home / name}.db" for name, url in endpoints["store"].items())
    assert Path(endpoints["mailbox"]).is_dir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_send_prints_the_reply_and_exits_1_for_a_problem(home: Path, data: Path):
    first = rummelig("send", "supplier", "register-supplier", str(data), home=home)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["result"]["supplier_id"]
    again = rummelig("send", "supplier", "register-supplier", str(data), home=home)
    assert again.returncode == 1
    assert json.loads(again.stdout)["problem"]["status"] == 409
    wrong = rummelig("send", "supplier", "sing-a-song", str(data), home=home)
    assert wrong.returncode == 2
    assert wrong.stdout == ""


def test_watch_prints_events_as_they_came(home: Path, data: Path):
    watching = subprocess.Popen(
        program("watch", "supplier-*", "--json", "--count", "1"),
        cwd=ROOT,
        env={**os.environ, **on_its_own(), "RUMMELIG_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with watching as watch:
        assert watch.stderr is not None
        assert "watching" in watch.stderr.readline()
        data.write_text(json.dumps(SUPPLIER | {"cvr": "24256790"}), encoding="utf-8")
        assert rummelig("send", "supplier", "register-supplier", str(data), home=home).returncode == 0
        told, _ = watch.communicate(timeout=30)
    (line,) = told.splitlines()
    event = json.loads(line)
    assert event["specversion"] == "1.0"
    assert event["type"] == "dk.rummelig.supplier.supplier-registered.v1"
    assert event["data"]["cvr"] == "24256790"
    assert watching.returncode == 0


@pytest.mark.parametrize("name", ["procurement", "mail"])
def test_what_dies_is_started_again_and_becomes_ready(home: Path, name: str):
    before = status(home)[name]["pid"]
    os.kill(before, 9)

    def again() -> bool:
        now = status(home)[name]
        return now["pid"] not in (None, before) and now["ready"]

    assert wait_until(again, 30)


def welcomed(home: Path) -> int:
    return rummelig("mailbox", home=home).stdout.count(SUPPLIER["email"])


@contextmanager
def in_front(home: Path) -> Iterator[None]:
    """`up` as in a terminal: from the line that it is ready until Ctrl-C."""
    environment = {**os.environ, **on_its_own(), "RUMMELIG_HOME": str(home)}
    with subprocess.Popen(program("up"), cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as front:
        assert front.stdout is not None
        try:
            said: list[str] = []
            while not said or "Ctrl-C" not in said[-1]:
                said.append(front.stdout.readline())
                assert said[-1], said
            yield
        finally:
            front.send_signal(signal.SIGINT)
            rest = front.stdout.read()
        assert (front.wait(30), rest) == (0, "stopping …\n")
    assert wait_until(lambda: status(home) == {}, 5)


def test_data_survive_down_and_up_in_front(home: Path, data: Path):
    assert wait_until(lambda: welcomed(home) == 2, 30), "both suppliers are welcomed by mail"
    mails = rummelig("mailbox", home=home).stdout
    endpoints = json.loads((home / "endpoints.json").read_text(encoding="utf-8"))
    running = [Identity.of(each["pid"]) for each in status(home).values()]
    down = rummelig("down", home=home, seconds=100)
    assert (down.returncode, down.stdout) == (0, "stopped\n")
    assert not any(each.alive() for each in running if each)
    assert status(home) == {}
    assert not (home / "endpoints.json").exists()
    with in_front(home):
        assert json.loads((home / "endpoints.json").read_text(encoding="utf-8")) == endpoints
        again = rummelig("send", "supplier", "register-supplier", str(data), home=home)
        assert json.loads(again.stdout)["problem"]["status"] == 409
        assert rummelig("mailbox", home=home).stdout == mails
