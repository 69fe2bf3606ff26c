"""One store as one file, portable between SQLite and MongoDB.

A gzip file of JSON lines: a head (service, when, formats), a line for each document and each file, and an end with the
counts and the digest of all before it. So `zcat backup | head -1` and `| tail -1` are its manifest, and what is cut
short or changed is noticed before anything is restored.
"""

import gzip
import hashlib
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

from shared.store.codec import dumps, loads
from shared.store.errors import StoreError
from shared.store.port import Collection, Document, Snapshot, Store

VERSION = 1
"""Of the file's format."""

AT_ONCE = 200
"""Documents that are restored in one write."""

UNFINISHED = "store.restore-is-not-finished"
"""A file that stands in the store as long as a restore into it does."""

_NO_ARCHIVE = (OSError, EOFError, zlib.error, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError)


class BackupError(Exception):
    """Why nothing was saved, or nothing restored."""


@dataclass(frozen=True)
class Kept:
    """A collection as a service keeps it: `format` is the one of its documents that this code writes."""

    collection: Collection
    format: int = 1


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself."""

    service: str
    begun: datetime
    formats: dict[str, int]
    documents: dict[str, int]
    files: int

    @property
    def told(self) -> str:
        """In one line."""
        number = sum(self.documents.values())
        return f"{self.service}, {self.begun:%Y-%m-%dT%H:%M:%SZ}: {number} documents, {self.files} files"


async def save(store: Store, service: str, kept: Sequence[Kept], out: IO[bytes], *, quiet: bool = False) -> Manifest:
    """Write the backup of an open store. `quiet`: nobody writes to the store, so a server without snapshots will do.
    StoreError where a restore into the store broke off: that would look like a whole backup.
    """
    await refuse_unfinished(store)
    begun = datetime.now(UTC)
    formats = {each.collection.name: each.format for each in kept}
    documents: Counter[str] = Counter()
    digest, files = hashlib.sha256(), 0
    async with store.snapshot() as snapshot:
        if not snapshot.single_moment and not quiet:
            raise BackupError(
                "this MongoDB is no replica set and cannot be read as of one moment while the service writes: stop the "
                "service (messages wait in the broker), back up with --stopped, start it again"
            )
        with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=3, mtime=0) as packed:

            def write(line: Document) -> None:
                raw = dumps(line).encode() + b"\n"
                digest.update(raw)
                packed.write(raw)

            write({"rummelig-backup": VERSION, "service": service, "begun": begun.isoformat(), "formats": formats})
            async for name, line in _lines(snapshot, kept):
                write(line)
                documents[name] += 1
            async for name, content, metadata in snapshot.files():
                write({"file": name, "content": content, "metadata": metadata})
                files += 1
            end = {"documents": dict(documents), "files": files, "sha256": digest.hexdigest()}
            packed.write(dumps(end).encode() + b"\n")
    return Manifest(service, begun, formats, documents, files)


def check(file: IO[bytes], service: str, kept: Sequence[Kept]) -> Manifest:
    """Read a backup to its end. BackupError where it cannot be restored as this service by this code."""
    try:
        return _checked(file, service, {each.collection.name: each.format for each in kept})
    except _NO_ARCHIVE as error:
        raise BackupError(f"this is no whole backup: {type(error).__name__}: {error}") from None


async def restore(
    store: Store,
    service: str,
    kept: Sequence[Kept],
    file: IO[bytes],
    forward: Callable[[str, Document], Document] | None = None,
) -> Manifest:
    """Fill an empty, open store. Nothing is written before the whole backup was checked and the store seen to be empty.

    `forward` changes each document on its way. A restore that breaks off leaves a mark by which services know it.
    """
    manifest = check(file, service, kept)
    await _must_be_empty(store, kept)
    await store.write_file(UNFINISHED, b"", {"service": service, "begun": manifest.begun})
    by_name = {each.collection.name: each.collection for each in kept}
    waiting: dict[str, list[Document]] = {}
    for line in _body(file):
        if "file" in line:
            await store.write_file(line["file"], line["content"], line["metadata"])
            continue
        name, document = line["in"], line["document"]
        batch = waiting.setdefault(name, [])
        batch.append(forward(name, document) if forward else document)
        if len(batch) == AT_ONCE:
            await _insert(store, by_name[name], waiting.pop(name))
    for name, batch in waiting.items():
        await _insert(store, by_name[name], batch)
    return manifest


async def finish(store: Store) -> None:
    """The restore is done: services may start."""
    await store.delete_file(UNFINISHED)


async def refuse_unfinished(store: Store) -> None:
    """StoreError where a restore into the store broke off."""
    if await store.read_file(UNFINISHED) is not None:
        raise StoreError("a restore into this store was not finished: empty it and restore again")


async def _lines(snapshot: Snapshot, kept: Sequence[Kept]) -> AsyncIterator[tuple[str, Document]]:
    for each in kept:
        async for document in snapshot.everything(each.collection):
            yield each.collection.name, {"in": each.collection.name, "document": document}


async def _insert(store: Store, collection: Collection, documents: list[Document]) -> None:
    if left_out := await store.insert_many(collection, documents):
        raise BackupError(f"{collection.name}: {left_out[0]!r} is taken; does a service run on this store? Empty it")


async def _must_be_empty(store: Store, kept: Sequence[Kept]) -> None:
    await refuse_unfinished(store)
    for each in kept:
        if await store.find(each.collection, {}, limit=1):
            raise BackupError(f"the store is not empty ({each.collection.name}): a backup goes only into an empty one")
    async with store.snapshot() as snapshot:
        async for name, _, _ in snapshot.files():
            raise BackupError(f"the store is not empty (file {name!r}): a backup goes only into an empty one")


def _checked(file: IO[bytes], service: str, formats: dict[str, int]) -> Manifest:
    digest, documents, files = hashlib.sha256(), Counter[str](), 0
    head: Document = {}
    end: Document = {}
    for raw in _raw(file):
        if end:
            raise ValueError("something follows its end")
        line = _line(raw)
        if "sha256" in line:
            end = line
            continue
        digest.update(raw)
        if not head:
            head = line
            _check_head(head, service, formats)
        elif "file" in line:
            files += 1
        else:
            documents[line["in"]] += 1
    if not end:
        raise ValueError("its end is missing")
    if (end["documents"], end["files"], end["sha256"]) != (dict(documents), files, digest.hexdigest()):
        raise ValueError("its content does not fit its checksum")
    return Manifest(head["service"], datetime.fromisoformat(head["begun"]), head["formats"], documents, files)


def _check_head(head: Document, service: str, formats: dict[str, int]) -> None:
    if head["rummelig-backup"] > VERSION:
        raise BackupError("a newer version of this software made the backup: restore it with that one")
    if head["service"] != service:
        raise BackupError(f"this is a backup of {head['service']!r}, not of {service!r}")
    newer = [name for name, number in head["formats"].items() if number > formats.get(name, 0)]
    if newer:
        raise BackupError(
            f"a newer version of {service} made the backup (of {', '.join(newer)}): restore it with that one"
        )


def _body(file: IO[bytes]) -> Iterator[Document]:
    lines = (_line(raw) for raw in _raw(file))
    next(lines)
    return (line for line in lines if "sha256" not in line)


def _raw(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    with gzip.GzipFile(fileobj=file, mode="rb") as packed:
        yield from packed


def _line(raw: bytes) -> dict[str, Any]:
    line = loads(raw.decode())
    if not isinstance(line, dict):
        raise ValueError("a line of it is no object")  # noqa: TRY004 - told as a fault of the file
    return line
