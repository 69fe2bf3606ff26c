"""A service's process holds nothing that it has no use for: libraries that only some work needs come with that work."""

import json
import os
import subprocess
import sys

import pytest

from deploy.local.plan import discover
from tests.architecture.test_layout import ROOT

LATER = {"dkim", "dns.resolver", "icalendar", "markdown_it", "motor", "nh3", "opentelemetry.sdk", "pymongo", "rich"}
TOOLS = {"deploy", "httpx", "pytest", "testcontainers", "tests"}


@pytest.mark.parametrize("service", discover())
def test_imports_what_it_needs(service: str):
    """As its __main__ does, short of serving."""
    program = f"""
import json, sys
import shared.prelude
from services.{service}.app import create
from shared.upkeep import main
create()
print(json.dumps(sorted(name for name, module in sys.modules.items() if module is not None)))
"""
    environment = {"PATH": os.environ["PATH"], f"{service.upper()}_LINK_KEYS": f"k1:{'x' * 32}"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not (LATER | TOOLS) & set(json.loads(done.stdout))
