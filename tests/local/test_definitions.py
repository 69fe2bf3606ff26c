"""What the private broker loads is made once, and again when something that it is made of has changed."""

import json
import shutil
from pathlib import Path

import pytest

from deploy.local.definitions import SOURCES, digest, kept_definitions
from deploy.local.home import ROOT, read_json, write_json
from deploy.rabbitmq import definitions as made

PASSWORDS = {user["name"]: "secret" for user in made.definitions()["users"]}


def bare(text: str) -> object:
    """Without the hashes, which are salted anew each time."""
    found = json.loads(text)
    return found | {"users": [{**user, "password_hash": ""} for user in found["users"]]}


def test_the_same_as_when_made_anew(tmp_path: Path):
    kept = tmp_path / "kept.json"
    first, second = (kept_definitions(kept, PASSWORDS) for _ in range(2))
    assert bare(first) == bare(second) == made.definitions()
    assert "secret" not in kept.read_text()
    assert all(user["password_hash"] for user in json.loads(second)["users"])


def test_a_second_time_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    kept = tmp_path / "kept.json"
    kept_definitions(kept, PASSWORDS)
    monkeypatch.setattr(made, "topologies", None)
    kept_definitions(kept, PASSWORDS)


def test_what_others_were_made_of_is_made_anew(tmp_path: Path):
    kept = tmp_path / "kept.json"
    write_json(kept, {"sources": "others", "definitions": {"users": []}})
    assert bare(kept_definitions(kept, PASSWORDS)) == made.definitions()
    assert read_json(kept)["sources"] == digest(ROOT)


def test_cut_short_is_made_anew(tmp_path: Path):
    kept = tmp_path / "kept.json"
    kept.write_text("{")
    assert bare(kept_definitions(kept, PASSWORDS)) == made.definitions()


@pytest.mark.parametrize("changed", ["shared/contracts/events.py", "services/events/messages.py", "services/new.py"])
def test_a_change_is_seen(tmp_path: Path, changed: str):
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "templates"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    assert digest(tmp_path) == digest(ROOT)
    with (tmp_path / changed).open("a") as file:
        file.write("\n")
    assert digest(tmp_path) != digest(ROOT)
