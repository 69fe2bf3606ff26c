"""Each image holds its own service and that service's packages, and runs as nobody in particular."""

import json
import subprocess
from typing import Any

import pytest

from deploy.catalog import service_names
from tests.containers.system import Compose, docker

pytestmark = [pytest.mark.containers, pytest.mark.timeout(1500)]

NAMES = service_names()
MAIL = ["aiosmtplib", "dkim", "icalendar", "markdown_it", "nh3"]
"""What notifications alone needs."""
TOOLS = ["pip", "pytest", "ruff", "mongoeco", "deploy", "tests"]

LOOK = """
import importlib, importlib.util, json, os, pkgutil, services
def there(name):
    return importlib.util.find_spec(name) is not None
found = [module.name for module in pkgutil.iter_modules(services.__path__)]
for name in found:
    importlib.import_module(f"services.{name}.app")
packages = [name for name in %r if there(name)]
print(json.dumps({"uid": os.getuid(), "services": found, "packages": packages, "files": os.listdir(".")}))
"""


def image(name: str) -> str:
    return f"rummelig/{name}:test"


@pytest.mark.parametrize("name", NAMES)
def test_holds_its_own_service_only(compose: Compose, name: str):
    found: dict[str, Any] = json.loads(
        docker("run", "--rm", "--network=none", "--read-only", image(name), "python", "-c", LOOK % [*MAIL, *TOOLS])
    )
    assert found["services"] == [name]
    assert sorted(found["files"]) == ["services", "shared"]
    assert found["packages"] == (MAIL if name == "notifications" else [])
    assert found["uid"] == 10001


@pytest.mark.parametrize("name", NAMES)
def test_says_which_setting_is_wrong(compose: Compose, name: str):
    given = ["--env", f"{name.upper()}_STORE_URL=nonsense"]
    ended = subprocess.run(
        ["docker", "run", "--rm", "--network=none", "--read-only", *given, image(name)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 2
    assert f"{name.upper()}_STORE_URL" in ended.stderr


def test_the_operators_commands_are_in_every_image(compose: Compose):
    for name in NAMES:
        said = docker("run", "--rm", "--network=none", "--read-only", image(name), "python", "-m", "shared.cli", "-h")
        assert "dead" in said
