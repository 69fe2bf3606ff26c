"""A fifth service, made in a copy of the repository: whole, in style, at work, with nothing in shared/ changed."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.skeleton.making import Impossible, make

ROOT = Path(__file__).parents[2]
PARTS = ("services", "shared", "deploy", "tests", "docs")
FILES = ("pyproject.toml", "requirements.lock", "README.md", "docker-compose.yml")
NAME = "register"


def run(copy: Path, *arguments: str) -> str:
    """The output of a Python module, run in the copy with nothing given from outside."""
    kept: Mapping[str, str] = {k: v for k, v in os.environ.items() if not k.startswith(("RUMMELIG_", "TEST_"))}
    ended = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=copy,
        env={**kept, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ended.returncode == 0, f"{arguments}: {ended.stdout[-3000:]}{ended.stderr[-3000:]}"
    return ended.stdout


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with one service more."""
    target = tmp_path_factory.mktemp("copy")
    leave = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    for part in PARTS:
        if (ROOT / part).exists():
            shutil.copytree(ROOT / part, target / part, ignore=leave)
    for file in FILES:
        if (ROOT / file).exists():
            shutil.copy(ROOT / file, target / file)
    run(target, "deploy.skeleton", NAME)
    return target


def test_nothing_in_shared_changes(copy: Path):
    assert digests(copy / "shared") == digests(ROOT / "shared")


def test_only_the_new_service_is_new(copy: Path):
    before, after = digests(ROOT / "services"), digests(copy / "services")
    assert before.items() <= after.items()
    assert all(Path(path).parts[0] == NAME for path in after.keys() - before.keys())


def test_its_packages_are_locked(copy: Path):
    groups = tomllib.loads((copy / "pyproject.toml").read_text())["dependency-groups"]
    assert groups[NAME] == groups["supplier"]
    assert (copy / f"deploy/locks/{NAME}.lock").read_text() == (copy / "deploy/locks/supplier.lock").read_text()


def test_it_keeps_the_style(copy: Path):
    run(copy, "ruff", "check", f"services/{NAME}", f"tests/{NAME}", "--no-cache")
    run(copy, "ruff", "format", "--check", f"services/{NAME}", f"tests/{NAME}", "--no-cache")


def test_its_own_tests_and_those_of_the_architecture_pass(copy: Path):
    tests = [f"tests/{NAME}", "tests/architecture", "-k", f"{NAME} or imports"]
    said = run(copy, "pytest", "-q", "-p", "no:cacheprovider", *tests)
    assert " passed" in said
    assert " failed" not in said


def test_it_takes_part(copy: Path, tmp_path: Path):
    came = json.loads(run(copy, "tests.skeleton.beside_supplier", NAME, str(tmp_path / "system")).splitlines()[-1])
    assert came["reply"]["ok"], came
    assert came["copy"]["name"] == "Genbrugsværkstedet ApS"
    assert came["copy"]["listed"]
    assert digests(copy / "shared") == digests(ROOT / "shared")


@pytest.mark.parametrize("name", ["", "x", "Register", "two-words", "class", "operator", "supplier", "../register"])
def test_a_name_that_cannot_be(name: str):
    with pytest.raises(Impossible):
        make(name, ROOT)
