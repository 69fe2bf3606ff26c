"""docker-compose.yml, built and run as a project of its own, on ports of its own."""

import os
import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from deploy.compose import environment

ROOT = Path(__file__).parents[2]
PORTS = ("AMQP", "MANAGEMENT", "SUPPLIER", "EVENTS", "PROCUREMENT", "NOTIFICATIONS", "MAILPIT")
UP_SECONDS = 300


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody has, all different."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Compose:
    """The whole system in containers. What it sets in the environment holds for this process too, until `down`."""

    def __init__(self) -> None:
        ports = {f"RUMMELIG_{name}_PORT": str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
        # Whoever names the project can clean up after a run that was killed.
        project = os.environ.get("RUMMELIG_TEST_PROJECT") or f"rummelig-test-{os.getpid()}"
        self.settings = {"COMPOSE_PROJECT_NAME": project, "RUMMELIG_VERSION": "test", **ports}
        self.variables: dict[str, str] = {}

    def up(self) -> None:
        """Build, start, and return when everything is healthy."""
        os.environ.update(self.settings)
        self("--profile", "dev", "build", seconds=900)
        self("--profile", "dev", "up", "--detach", "--wait", "--wait-timeout", str(UP_SECONDS), seconds=UP_SECONDS + 60)
        self.variables = environment.variables()

    def down(self) -> None:
        """Stop all and forget all."""
        self("--profile", "*", "down", "--volumes", "--remove-orphans", seconds=180)
        for name in self.settings:
            os.environ.pop(name, None)

    def __call__(self, *arguments: str, seconds: float = 120) -> str:
        """What `docker compose …` prints; the test fails with all it said where it fails."""
        return docker("compose", *arguments, seconds=seconds)

    def container(self, service: str) -> str:
        """The id of a service's container."""
        return self("ps", "--all", "--quiet", service).strip()

    def inside(self, service: str, code: str) -> str:
        """The output of Python code in a service's container."""
        return self("exec", "-T", service, "python", "-c", code)


def docker(*arguments: str, seconds: float = 120) -> str:
    """What `docker …` prints."""
    command: Sequence[str] = ["docker", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=seconds)
    assert ended.returncode == 0, f"{' '.join(command)}: {ended.stdout[-4000:]}\n{ended.stderr[-4000:]}"
    return ended.stdout
