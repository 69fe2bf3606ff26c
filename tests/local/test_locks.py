import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "deploy" / "security" / "tools.lock"
LOCKS = sorted((ROOT / "deploy" / "locks").glob("*.lock"))
GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]


def locked(path: Path) -> dict[str, set[str]]:
    """Package and version (with its marker) -> hashes."""
    packages = re.split(r"\n(?=\S)", re.sub(r"^ *#.*\n", "", path.read_text(), flags=re.MULTILINE))
    return {each.split(" \\")[0].strip(): set(re.findall(r"sha256:[0-9a-f]{64}", each)) for each in packages if each}


def test_each_service_has_a_lock() -> None:
    services = {name for name, needs in GROUPS.items() if {"include-group": "service"} in needs}
    assert {path.stem for path in LOCKS} == services


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_a_service_lock_is_part_of_the_whole(path: Path) -> None:
    whole, part = locked(ROOT / "requirements.lock"), locked(path)
    assert part
    assert {name: whole.get(name) for name in part} == part


@pytest.mark.parametrize("path", [ROOT / "requirements.lock", TOOLS, *LOCKS], ids=lambda path: path.stem)
def test_a_lock_says_what_and_not_where_from(path: Path) -> None:
    text = path.read_text()
    assert all(hashes for hashes in locked(path).values())
    assert not re.search(r"://|--index|--extra|--find-links|file:|@ ", text)


def test_every_requirement_is_locked() -> None:
    for lock, chosen in ((TOOLS, {"security"}), (ROOT / "requirements.lock", GROUPS.keys() - {"security"})):
        needs = [need for name in chosen for need in GROUPS[name] if isinstance(need, str)]
        wanted = {re.split(r"[\[>=<]", need)[0] for need in needs}
        assert wanted <= {name.split("==")[0] for name in locked(lock)}
