"""Whether tests may use containers, and which tests do not run here: each skipped test says why."""

import functools
import os
import shutil
import subprocess

import pytest

IMAGE = "rabbitmq:4-management"
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # its image is not everywhere; fixtures clean up


@functools.cache
def no_containers() -> str | None:
    """Why there are none; None where there are."""
    if os.environ.get("TEST_CONTAINERS") != "1":
        return "containers: set TEST_CONTAINERS=1"
    if not shutil.which("docker"):
        return "containers: there is no docker"
    found = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, text=True, check=False)
    return None if found.returncode == 0 else f"containers: {found.stderr.strip().splitlines()[-1]}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", action="store_true", help="run the long fault tests too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip by marker, with the reason."""
    reasons = {
        "containers": no_containers(),
        "faults": None if config.getoption("--faults") else "takes minutes: ./rummelig test --faults",
    }
    for item in items:
        for marker, reason in reasons.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
