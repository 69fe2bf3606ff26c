"""What is done to a service's store from outside: `python -m services.<name> backup|restore|restored|migrate`.

With the service's own settings, so it is the same in a checkout, in Compose and in Kubernetes. Exit codes: 0 done; 1 it
was not done, told in one line; 2 wrong use.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from starlette.applications import Starlette

from shared.collecting import collect_rarely
from shared.service import Service
from shared.store import backup
from shared.store.ahead import Forward, go_ahead
from shared.store.backup import BackupError
from shared.store.errors import StoreError
from shared.store.migrating import migrate
from shared.web.server import serve

OPERATOR_URL = "RUMMELIG_AMQP_URL"
"""Where the log of all events is read, if it is."""


def main(create: Callable[[], Starlette], arguments: Sequence[str] | None = None) -> None:
    """Serve; or, where the command line names one, do a piece of upkeep and exit."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if not given:
        serve(create)
        return
    collect_rarely()
    options = _parser().parse_args(given)
    try:
        asyncio.run(_run(create().state.service, options))
    except (BackupError, StoreError, OSError) as error:
        print(f"{options.command}: {error}", file=sys.stderr)  # noqa: T201 - told to whoever typed it
        raise SystemExit(1) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Without a command: serve.")
    commands = parser.add_subparsers(dest="command", required=True)
    saving = commands.add_parser("backup", help="save the whole store, while the service serves")
    saving.add_argument("file", help="a new file, or - for standard output")
    saving.add_argument("--stopped", action="store_true", help="the service is stopped: nobody writes meanwhile")
    filling = commands.add_parser("restore", help="fill an empty store; the service must not run")
    filling.add_argument("file", help="what backup wrote, or - for standard input")
    filling.add_argument(
        "--moved", action="store_true", help="the service was stopped before the backup and nothing ran since"
    )
    after = commands.add_parser("restored", help="what restore does after it, for a store that came back another way")
    after.add_argument("--since", type=_moment, required=True, help="when the backup was begun: 2026-11-01T03:00:00Z")
    commands.add_parser("migrate", help="bring documents of earlier formats, and indexes, up to date")
    return parser


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


async def _run(service: Service, options: argparse.Namespace) -> None:
    await service.open_store()
    try:
        match options.command:
            case "backup":
                await _backup(service, options.file, stopped=options.stopped)
            case "restore":
                await _restore(service, options.file, moved=options.moved)
            case "restored":
                ahead = await go_ahead(service.store, service.collections, _forward(service))
                _say(f"{ahead} documents are ahead of what was told since")
                await _settle(service, options.since)
            case _:
                done = await migrate(service.store, service.repositories)
                _say("; ".join(f"{name}: {number} migrated" for name, number in done.items()) or "nothing to migrate")
    finally:
        await service.store.close()


async def _backup(service: Service, target: str, *, stopped: bool) -> None:
    with _written(target) as file:
        manifest = await backup.save(service.store, service.name, service.kept, file, quiet=stopped)
    _say(manifest.told)


async def _restore(service: Service, source: str, *, moved: bool) -> None:
    with _read(source) as file:
        forward = None if moved else _forward(service)
        manifest = await backup.restore(service.store, service.name, service.kept, file, forward)
    if not moved:
        await _settle(service, manifest.begun)
    await backup.finish(service.store)
    _say(manifest.told)


def _forward(service: Service) -> Forward:
    return Forward(frozenset(r.name for r in service.repositories if r.follows))


async def _settle(service: Service, since: datetime) -> None:
    for step in service.restored:
        _say(await step(service, since, os.environ.get(OPERATOR_URL)))


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - standard output may be the backup


@contextlib.contextmanager
def _written(target: str) -> Iterator[IO[bytes]]:
    """A file that is there as a whole or not at all, for its owner's eyes: it holds all that the store holds."""
    if target == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(target)
    if path.exists():
        raise BackupError(f"{path} exists")
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        new.unlink(missing_ok=True)


@contextlib.contextmanager
def _read(source: str) -> Iterator[IO[bytes]]:
    """A file that can be read twice: once to check it, once to restore it."""
    if source != "-":
        with Path(source).open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        yield copy
