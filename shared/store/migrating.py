"""Brings documents of earlier formats to the one that this code writes, while services run.

What is read is migrated anyway (`Repository.to_aggregate`) and written in the new format when it is saved; this is for
the documents that nobody saves. Run it before the new version is rolled out or after, as often as wanted: what an old
process writes meanwhile is of the old format and is found by the next run.
"""

from collections.abc import Iterable
from typing import Any

from shared.store.errors import Stale
from shared.store.port import FORMAT, Document, Store
from shared.store.repository import Repository


async def migrate(store: Store, repositories: Iterable[Repository[Any]]) -> dict[str, int]:
    """Collection -> how many documents were migrated; collections without migrations are not read."""
    return {r.name: await _migrate(store, r) for r in repositories if r.migrations}


async def _migrate(store: Store, repository: Repository[Any]) -> int:
    done = 0
    async for document in store.everything(repository.collection):
        current: Document | None = document
        while current is not None and current.get(FORMAT, 1) < repository.format:
            try:
                await _write(store, repository, current)
            except Stale:  # it was changed or removed since it was read
                current = await store.get(repository.collection, document["_id"])
            else:
                done += 1
                break
    return done


async def _write(store: Store, repository: Repository[Any], document: Document) -> None:
    """Only what the migration changes, and at the same version: a copy's is its publisher's own."""
    after = repository.migrated(document)
    changed = {name: value for name, value in after.items() if name not in document or document[name] != value}
    version = document["version"]
    await store.save(repository.collection, document["_id"], changed | {"version": version}, version=version, push={})
