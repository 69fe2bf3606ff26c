"""`./rummelig up` and its companions with the real services, as a person types them."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from deploy.local.plan import discover
from deploy.local.process import Identity, wait_until
from deploy.local.system import System

ROOT = Path(__file__).parents[2]
NAMES = {"rabbitmq", "mail", *discover()}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    given = ("_AMQP_URL", "_STORE_URL", "_SMTP_URL")
    return {n: v for n, v in os.environ.items() if not n.endswith(given)} | {"RUMMELIG_HOME": str(tmp_path / "home")}


def test_detached_and_in_front(tmp_path: Path, environment: dict[str, str]) -> None:
    def rummelig(*arguments: str) -> str:
        command = [str(ROOT / "rummelig"), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "ready after" in rummelig("up", "--detach")
    try:
        running = json.loads(rummelig("status", "--json"))["processes"]
        assert set(running) == NAMES
        assert all(each["ready"] and each["reasons"] == [] for each in running.values())
        endpoints = json.loads((tmp_path / "home" / "endpoints.json").read_text())
        assert set(endpoints["http"]) == set(endpoints["store"]) == set(discover())
        assert endpoints["amqp"].startswith("amqp://integrator:")
        assert "it runs already" in rummelig("up", "--detach")
    finally:
        assert rummelig("down") == "stopped\n"
    assert not any(Identity.of(each["pid"]) for each in running.values())

    front = subprocess.Popen([str(ROOT / "rummelig"), "up"], env=environment, stdout=subprocess.PIPE, text=True)
    assert front.stdout is not None
    try:
        said: list[str] = []
        while not said or "Ctrl-C" not in said[-1]:
            said.append(front.stdout.readline())
            assert said[-1], said
    finally:
        front.send_signal(signal.SIGINT)
        rest = front.stdout.read()
    assert (front.wait(30), rest) == (0, "stopping …\n")
    front.stdout.close()
    assert json.loads((tmp_path / "home" / "ports.json").read_text())["rabbitmq"] == _port(endpoints["amqp"])
    assert wait_until(lambda: not System(tmp_path / "home").runs(), 5)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2].rstrip("/"))
