"""Whether tests may use containers, and which tests do not run here: each skipped test says why."""

import functools
import os
import shutil
import subprocess

import pytest

IMAGE = "rabbitmq:4-management"
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # its image is not everywhere; fixtures clean up


@functools.cache
def no_docker() -> str | None:
    """Why there are no containers, asked for or not; None where there are."""
    if not shutil.which("docker"):
        return "containers: there is no docker"
    found = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, text=True, check=False)
    return None if found.returncode == 0 else f"containers: {found.stderr.strip().splitlines()[-1]}"


def no_containers() -> str | None:
    """Why tests use none; None where they do."""
    return no_docker() if os.environ.get("TEST_CONTAINERS") == "1" else "containers: set TEST_CONTAINERS=1"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", action="store_true", help="run the long fault tests too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip by marker, with the reason. `--faults` asks for the fault cases that need containers too."""
    faults = config.getoption("--faults")
    for item in items:
        long = item.get_closest_marker("faults")
        reasons = {
            "containers": no_docker() if faults and long else no_containers(),
            "faults": None if faults else "takes minutes: ./rummelig test --faults",
        }
        for marker, reason in reasons.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
