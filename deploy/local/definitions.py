"""What the private broker loads at its start, made anew only where something that it is made of has changed.

Making it imports the tables of every service, which takes as long as a third of RabbitMQ's own start.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy.local.home import ROOT, read_json, write_json
from deploy.rabbitmq.passwords import with_hashes

SOURCES = ("shared", "services", "deploy/rabbitmq", "deploy/catalog.py")


def kept_definitions(kept: Path, passwords: Mapping[str, str], root: Path = ROOT) -> str:
    """RabbitMQ definitions as JSON. `kept`: the file that holds them, without passwords, from one start to the next."""
    sources = digest(root)
    known = read_json(kept)
    if not isinstance(known, dict) or known.get("sources") != sources:
        from deploy.rabbitmq.definitions import definitions

        known = {"sources": sources, "definitions": definitions()}
        write_json(kept, known)
    return with_hashes(known["definitions"], passwords)


def digest(root: Path) -> str:
    """Of all that the definitions are made of."""
    found = hashlib.sha256()
    for path in _sources(root):
        content = path.read_bytes()
        found.update(f"{path.relative_to(root)} {len(content)}\n".encode() + content)
    return found.hexdigest()


def _sources(root: Path) -> Iterator[Path]:
    for name in SOURCES:
        path = root / name
        yield from [path] if path.is_file() else sorted(path.rglob("*.py"))
