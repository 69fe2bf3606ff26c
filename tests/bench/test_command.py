"""The benchmark runs to its end on a small scale, and says what its figures hang on. No figure is asserted."""

import json
from pathlib import Path

import pytest

from tests.support.embedded import rummelig


@pytest.mark.parametrize("name", ["consume", "newsletter"])
def test_figures_are_told_and_written(tmp_path: Path, name: str):
    file = tmp_path / "figures.json"
    done = rummelig("bench", name, "--scale", "0.01", "--rounds", "1", "--json", str(file), home=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(file.read_text())
    assert {"cpus", "python", "rabbitmq", "store", "faststream"} <= set(told["machine"])
    assert told["store"] == "sqlite"
    assert len(done.stdout.splitlines()) == len(told["figures"]) == 5
    for figure in told["figures"]:
        assert figure["low"] <= figure["ratio"] <= figure["high"]
        assert figure["reached"] in {True, False, None}


def test_a_name_that_is_not_there_is_told(tmp_path: Path):
    done = rummelig("bench", "konsum", home=tmp_path)
    assert done.returncode == 2
    assert "consume" in done.stderr


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["publish", "signup", "latency", "growth", "memory", "start", "scaleout"])
def test_what_starts_whole_systems_or_fills_stores(tmp_path: Path, name: str):
    file = tmp_path / "figures.json"
    given = (name, "--scale", "0.02", "--rounds", "1", "--json", str(file))
    done = rummelig("bench", *given, home=tmp_path, seconds=280)
    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text())["figures"]
    assert figures
    assert all(figure["low"] <= figure["ratio"] <= figure["high"] for figure in figures)


def test_a_store_that_does_not_answer_is_told(tmp_path: Path):
    done = rummelig("bench", "publish", "--store", "mongodb://127.0.0.1:1/", home=tmp_path)
    assert done.returncode == 2
    assert "--store: no MongoDB answers there" in done.stderr
