"""docs/reliability.md names every case and every file of tests, and none that is not there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
FAULTS = ROOT / "tests" / "faults"


def test_every_case_is_there():
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)] == list(range(1, 26))


def test_every_file_that_is_named_is_there_and_every_file_that_is_there_is_named():
    named = set(re.findall(r"`(test_\w+\.py)`", PAGE))
    assert named == {path.name for path in FAULTS.glob("test_*.py")} - {"test_ledger.py"}
    assert all((ROOT / path).is_dir() for path in re.findall(r"`(tests/[\w/]+/)`", PAGE))


def test_a_case_is_tested_where_the_table_says():
    rows = re.findall(r"^\| (\d+) \|.*?((?:`test_\w+\.py`(?:, )?)+)", PAGE, re.MULTILINE)
    for number, files in rows:
        first = re.findall(r"`(test_\w+\.py)`", files)[0]
        assert f"{int(number):02}" in first.split("_"), (number, first)
