"""The fixture `broker`: a real RabbitMQ for the whole session, with every user and the topology of all services.

TEST_AMQP_URL names one that runs already; TEST_CONTAINERS=1 takes RabbitMQ 4 in a container; otherwise it is the
embedded node, in a directory of its own.
"""

import asyncio
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from deploy.local.home import Home
from deploy.local.plan import discover
from deploy.local.probe import SAVED, probe, queues_saved, saved
from deploy.local.process import wait_until
from deploy.local.rabbitmq import DATA, NODE
from deploy.local.system import System
from deploy.rabbitmq.definitions import definitions
from tests.support.containers import IMAGE, no_containers

CONTROL = ("/usr/lib/rabbitmq/bin/rabbitmqctl", "rabbitmqctl")
"""Debian's on the PATH insists on the rabbitmq user."""


class Broker(Protocol):
    """What a test may do with it. From async tests: `await asyncio.to_thread(broker.kill)`, since it waits."""

    def url(self, user: str) -> str:
        """amqp:// URL of `operator`, `integrator` or a service's user."""

    def kill(self) -> None:
        """As with kill -9. It stays down until `start`; what was confirmed is still there then."""

    def start(self) -> None:
        """Returns when it takes connections. Nothing happens where it runs."""

    def control(self, *words: str) -> str:
        """`rabbitmqctl <words>`; what it said."""


class GivenBroker:
    """TEST_AMQP_URL; its user stands for all."""

    def __init__(self, url: str) -> None:
        self._url = url

    def url(self, user: str) -> str:  # noqa: ARG002 - all are one
        return self._url

    def kill(self) -> None:
        pytest.skip("the broker is given by TEST_AMQP_URL: it is not ours to kill")

    def start(self) -> None:
        """It runs."""

    def control(self, *words: str) -> str:  # noqa: ARG002 - nothing is controlled
        pytest.skip("the broker is given by TEST_AMQP_URL: it is not ours to control")


class EmbeddedBroker:
    """The node of deploy/local, under its supervisor, without services."""

    def __init__(self, folder: Path) -> None:
        no_mail_sink = {"NOTIFICATIONS_SMTP_URL": "smtp://127.0.0.1:1", "RUMMELIG_AMQP_URL": ""}
        self._system = System(Home(folder), services=[], environment=no_mail_sink)
        self._folder = folder
        self._data = folder / "rabbitmq" / DATA

    def url(self, user: str) -> str:
        return self._system.amqp_url(user)

    def kill(self) -> None:
        assert wait_until(lambda: queues_saved(self._data), 10)  # also what a test has just declared
        self._system.hold("rabbitmq")

    def start(self) -> None:
        if self._system.runs():
            self._system.release("rabbitmq")
        else:
            self._system.start()
        self._system.wait_ready()

    def control(self, *words: str) -> str:
        return control(Home(self._folder), *words)

    def stop(self) -> None:
        self._system.stop()


def control(home: Home, *words: str) -> str:
    """`rabbitmqctl <words>` on the embedded node of a home."""
    epmd = home.ports(["rabbitmq-epmd"], must_be_free=False)["rabbitmq-epmd"]
    program = next(path for path in CONTROL if shutil.which(path))
    environment = {
        "HOME": str(home.broker),
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "ERL_EPMD_PORT": str(epmd),
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
    }
    command = [program, "--quiet", "--node", NODE, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


class ContainerBroker:
    """RabbitMQ 4 through Testcontainers, on a port that stays the same over restarts."""

    def __init__(self, folder: Path) -> None:
        from testcontainers.core.container import DockerContainer

        home = Home(folder)
        home.create()
        self._port = home.ports(["amqp"], must_be_free=True)["amqp"]
        self._passwords = home.secrets([*discover(), "integrator", "operator"])
        settings = folder.parent / f"{folder.name}-settings"  # the container's user reads it, and not the rest
        settings.mkdir(mode=0o755)
        (settings / "definitions.json").write_text(json.dumps(definitions(self._passwords)))
        (settings / "rabbitmq.conf").write_text(
            "load_definitions = /rummelig/definitions.json\nmax_message_size = 1048576\n"
        )
        container = DockerContainer(IMAGE).with_bind_ports(5672, self._port)
        container = container.with_volume_mapping(str(settings), "/rummelig")
        self._container = container.with_env("RABBITMQ_CONFIG_FILE", "/rummelig/rabbitmq.conf")
        self._created = False

    def url(self, user: str) -> str:
        return f"amqp://{user}:{self._passwords[user]}@127.0.0.1:{self._port}/"

    def kill(self) -> None:
        command = ["sh", "-c", f"find /var/lib/rabbitmq -name names.dets -exec head -c {SAVED.stop} {{}} \\; "]
        assert wait_until(lambda: _all_saved(self._container.exec(command).output), 10)
        self._container.get_wrapped_container().kill()

    def start(self) -> None:
        if self._created:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._created = True
        assert wait_until(lambda: not _asked(self.url("operator")), 90, 0.2), "RabbitMQ does not start in its container"

    def control(self, *words: str) -> str:
        user = ["setpriv", "--reuid=rabbitmq", "--clear-groups", "env", "HOME=/var/lib/rabbitmq"]
        code, output = self._container.exec([*user, "rabbitmqctl", "--quiet", *words])
        assert code == 0, output
        return str(output.decode())

    def stop(self) -> None:
        self._container.stop()


def pytest_configure(config: pytest.Config) -> None:
    """A connection of aio-pika that never came about closes itself when it is forgotten, and finds no loop for that."""
    config.addinivalue_line("filterwarnings", "ignore:coroutine 'Connection.close' was never awaited:RuntimeWarning")


def _all_saved(heads: bytes) -> bool:
    return all(saved(heads[i : i + SAVED.stop]) for i in range(0, len(heads), SAVED.stop))


def _asked(url: str) -> list[str]:
    """The probe's answer, also from within a running event loop."""
    answer: list[str] = []
    thread = threading.Thread(target=lambda: answer.extend(asyncio.run(probe(url))))
    thread.start()
    thread.join()
    return answer


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A real broker with .url(user), .kill() and .start()."""
    if given := os.environ.get("TEST_AMQP_URL"):
        yield GivenBroker(given)
        return
    folder = tmp_path_factory.mktemp("broker")
    found: Any = ContainerBroker(folder) if no_containers() is None else EmbeddedBroker(folder)
    found.start()
    yield found
    found.stop()


@pytest.fixture(autouse=True)
def _broker_is_back(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that killed the broker and failed leaves a running one to the next test."""
    yield
    if "broker" in request.fixturenames:
        request.getfixturevalue("broker").start()
