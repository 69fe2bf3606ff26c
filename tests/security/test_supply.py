"""What the images are made of can be told and checked; a check that could not be made does not look like a good one."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.security.audit import told
from deploy.security.tools import LOCKS, NoTools, program

GOOD = {"name": "jinja2", "version": "3.1.6", "vulns": []}
BAD = {"name": "old", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
SKIPPED = {"name": "unknown", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("packages", "code", "says"),
    [
        ([GOOD], 0, "1 packages looked up"),
        ([GOOD, BAD], 1, "old 1.0: PYSEC-1, mended in 1.1"),
        ([GOOD, SKIPPED], 3, "NOT CHECKED: 1 of 2"),
        ([BAD, SKIPPED], 1, "NOT CHECKED: 1 of 2"),
    ],
)
def test_what_was_not_looked_up_is_no_good_news(
    capsys: pytest.CaptureFixture[str], packages: list[dict[str, Any]], code: int, says: str
):
    assert told(packages) == code
    assert says in "".join(capsys.readouterr())


def run(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"deploy.security.{module}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)


@pytest.fixture(scope="module")
def tools() -> Path:
    try:
        return program("cyclonedx-py")
    except NoTools as error:
        pytest.skip(f"{error}")


@pytest.mark.faults
def test_the_sbom_of_an_image_names_every_package_of_its_lock(tools: Path, tmp_path: Path):
    assert run("sbom", str(tmp_path)).returncode == 0
    for lock in LOCKS:
        sbom = json.loads((tmp_path / f"{lock.stem}.cdx.json").read_text())
        assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.6")
        packages = {f"{each['name']}=={each['version']}" for each in sbom["components"]}
        assert packages == set(re.findall(r"^[\w.-]+==[^\s;\\]+", lock.read_text(), re.MULTILINE))


@pytest.mark.faults
def test_an_audit_that_reaches_nobody_says_so(tools: Path):
    nowhere = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), "http://127.0.0.1:9")
    asked = run("audit", **nowhere, NO_PROXY="", no_proxy="")
    assert asked.returncode == 3, asked.stdout + asked.stderr
    assert "NOT CHECKED" in asked.stderr
