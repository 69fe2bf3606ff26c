"""From the templates beside this module to a service: its folder, its tests, its lock, its group of packages."""

import keyword
import re
import tomllib
from pathlib import Path
from string import Template

TEMPLATES = Path(__file__).parent
FOLDERS = {"service": "services", "tests": "tests"}
"""Folder of templates -> where a folder with the service's name is made from it."""

TAKEN = {"integrator", "operator", "shared", "tests", "deploy", "services"}
PLAIN = [{"include-group": "service"}]
"""The packages of a service that needs no further ones."""

NEXT = """
Next:
  python -m deploy.rabbitmq.definitions    its broker user and queues
  python -m deploy.contracts               docs/asyncapi.yaml and the table in README.md
  ./rummelig test tests/{name} tests/architecture
  ./rummelig up                            runs it beside the others
  docker-compose.yml                       copy what belongs to `supplier` and to `supplier-store`
  deploy/observability/prometheus.yml      one more target
  deploy/kubernetes/                       copy base/supplier.yaml; one more in base/kustomization.yaml, in the lists of
                                           names, in mongodb/stores.yaml and in the overlay
What was told before it was there: ./rummelig replay --to {name}"""


class Impossible(Exception):
    """The service cannot be made; the message says why."""


def make(name: str, root: Path) -> list[Path]:
    """Write the service `name` into the repository at `root`; the paths of all that was written or changed."""
    _check(name, root)
    made = [root / "pyproject.toml", _lock(name, root)]
    _add_group(name, root / "pyproject.toml")
    for templates, folder in FOLDERS.items():
        target = root / folder / name
        target.mkdir()
        for template in sorted((TEMPLATES / templates).glob("*.txt")):
            text = Template(template.read_text(encoding="utf-8"))
            path = target / template.name.removesuffix(".txt")
            path.write_text(text.substitute(name=name, NAME=name.upper()), encoding="utf-8")
            made.append(path)
    return made


def _check(name: str, root: Path) -> None:
    if not re.fullmatch(r"[a-z]{2,30}", name) or keyword.iskeyword(name) or name in TAKEN:
        raise Impossible(f"{name!r} cannot be a service's name: 2 to 30 lower-case letters, and no word that is taken")
    for folder in FOLDERS.values():
        if (root / folder / name).exists():
            raise Impossible(f"{root / folder / name} is there already")


def _groups(pyproject: Path) -> dict[str, object]:
    groups: dict[str, object] = tomllib.loads(pyproject.read_text(encoding="utf-8"))["dependency-groups"]
    return groups


def _lock(name: str, root: Path) -> Path:
    """The lock of a service that has the same packages. With further ones in its group: deploy/locks/update."""
    alike = next((group for group, needs in _groups(root / "pyproject.toml").items() if needs == PLAIN), None)
    if alike is None:
        raise Impossible(f"no service in {root / 'pyproject.toml'} has the plain packages to begin with")
    locks = root / "deploy" / "locks"
    (locks / f"{name}.lock").write_text((locks / f"{alike}.lock").read_text(encoding="utf-8"), encoding="utf-8")
    return locks / f"{name}.lock"


def _add_group(name: str, pyproject: Path) -> None:
    """Add its group above the first one of the same kind; the rest of the file stays as it is."""
    lines = pyproject.read_text(encoding="utf-8").splitlines(keepends=True)
    groups = next(number for number, line in enumerate(lines) if line.strip() == "[dependency-groups]")
    before = next(n for n, line in enumerate(lines) if n > groups and re.match(r"\w+ = \[\{ include-group", line))
    lines.insert(before, f'{name} = [{{ include-group = "service" }}]\n')
    pyproject.write_text("".join(lines), encoding="utf-8")
    if _groups(pyproject).get(name) != PLAIN:
        raise Impossible(f"{pyproject} is written in another way than expected: add the group {name} by hand")
