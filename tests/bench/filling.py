"""Puts many documents into a store before it is measured.

A SQLite file is filled on a connection of its own, which need not be durable; else with the port's bulk insert.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import datetime
from itertools import batched
from typing import Any

from shared.contracts.base import derived_id
from shared.messaging.unit import DONE_JSON
from shared.store.codec import dumps
from shared.store.connect import connect
from shared.store.port import Collection, Document
from shared.store.repository import Repository
from shared.store.sqlite import schema
from shared.store.values import clean_document
from shared.store.work import INBOX, OWN_COLLECTIONS

PAGE = 5000
SQLITE = "sqlite:///"


def stored(repository: Repository[Any], aggregate: Any) -> Document:
    """An aggregate as its document."""
    return {"_id": aggregate.id, **repository.to_fields(aggregate, aggregate.version)}


async def made(url: str, repositories: Sequence[Repository[Any]]) -> None:
    """The store with its collections, empty."""
    store = connect(url)
    await store.open([*OWN_COLLECTIONS, *(r.collection for r in repositories)])
    await store.close()


async def fill(url: str, collection: Collection, documents: Iterable[Document]) -> None:
    """Add documents to a store that nobody has open."""
    if url.startswith(SQLITE):
        with closing(_hasty(url)) as file:
            _fill(file, collection, documents)
        return
    store = connect(url)
    await store.open([collection])
    for page in batched(documents, PAGE, strict=False):
        await store.insert_many(collection, page)
    await store.close()


async def multiply_inbox(url: str, times: int) -> None:
    """Each inbox entry so often: with a number behind its id, else the same."""
    if not url.startswith(SQLITE):
        store = connect(url)
        await store.open(OWN_COLLECTIONS)
        found = [document async for document in store.everything(INBOX)]
        for number in range(1, times):
            await store.insert_many(INBOX, [d | {"_id": f"{d['_id']}-{number}"} for d in found])
        await store.close()
        return
    with closing(_hasty(url)) as file:
        table = schema.tables(file)[INBOX.name]
        (most,) = file.execute(f"SELECT MAX(row) FROM {table.name}").fetchone()
        numbers = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?)"
        file.execute(
            f"{numbers} INSERT INTO {table.name} SELECT row + n * ?, _id || '-' || n, version,"
            f" json_set(doc, '$._id', _id || '-' || n) FROM n CROSS JOIN {table.name} WHERE row <= ?",
            (times - 1, most, most),
        )
        for index in table.indexes:  # a key ends with the id
            file.execute(
                f"{numbers} INSERT INTO {index.name} SELECT CAST(key || '-' || n AS BLOB) AS key, row + n * ?"
                f" FROM n CROSS JOIN {index.name} WHERE row <= ? ORDER BY 1",
                (times - 1, most, most),
            )
        file.execute("COMMIT")


def _hasty(url: str) -> sqlite3.Connection:
    file = sqlite3.connect(url.removeprefix(SQLITE), isolation_level=None)
    for pragma in ("journal_mode=DELETE", "journal_mode=OFF", "synchronous=OFF", "cache_size=-400000"):
        file.execute(f"PRAGMA {pragma}").fetchall()
    file.execute("BEGIN")
    return file


def _fill(file: sqlite3.Connection, collection: Collection, documents: Iterable[Document]) -> None:
    table = schema.tables(file)[collection.name]
    (row,) = file.execute(f"SELECT COALESCE(MAX(row), 0) FROM {table.name}").fetchone()
    keys: list[list[tuple[bytes, int]]] = [[] for _ in table.indexes]
    for page in batched(documents, PAGE, strict=False):
        rows = []
        for document in page:
            row += 1
            clean = clean_document(document)
            rows.append((row, clean["_id"], clean["version"], dumps(clean)))
            for index, held in zip(table.indexes, keys, strict=True):
                held += [(key, row) for key in index.held(index.entries(clean))]
        file.executemany(f"INSERT INTO {table.name} VALUES (?, ?, ?, ?)", rows)
    for index, held in zip(table.indexes, keys, strict=True):
        held.sort()
        file.executemany(f"INSERT INTO {index.name} VALUES (?, ?)", held)
    file.execute("COMMIT")


def entry(queue: str, number: int, at: datetime) -> Document:
    """An inbox entry as a handled message leaves it; ids as unordered as those of messages."""
    inbox_id = f"{queue}:{derived_id('bench', number)}"
    return {"_id": inbox_id, "version": 1, "id": inbox_id, "reply": DONE_JSON, "digest": f"{number:064x}", "at": at}
