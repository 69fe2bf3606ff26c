"""The file as of one moment: a read transaction of its own. While it lasts the write-ahead log grows."""

# ruff: noqa: S608 - SQL is put together from quoted names; values are always parameters
import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from shared.store.codec import loads
from shared.store.errors import Unavailable
from shared.store.port import Collection, Document
from shared.store.sqlite.schema import quoted

PAGE = 200
"""Documents, or files' names, that are read at once."""


class SqliteSnapshot:
    """Reads on one connection, in other threads, one call after another."""

    single_moment = True

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def everything(self, collection: Collection) -> AsyncIterator[Document]:
        rows = f"SELECT _id, doc FROM {quoted(f'c/{collection.name}')} WHERE _id > ? ORDER BY _id LIMIT {PAGE}"
        # The empty text is an id too, and nothing sorts before it.
        page = await self._ask(rows.replace(">", ">=", 1), "")
        while page:
            for _, text in page:
                yield loads(text)
            page = await self._ask(rows, page[-1][0])

    async def files(self) -> AsyncIterator[tuple[str, bytes, Document]]:
        for (name,) in await self._ask("SELECT name FROM files ORDER BY name"):
            ((content, metadata),) = await self._ask("SELECT content, metadata FROM files WHERE name = ?", name)
            yield name, content, loads(metadata)

    async def _ask(self, sql: str, *parameters: str) -> list[Any]:
        try:
            return await asyncio.to_thread(lambda: self._connection.execute(sql, parameters).fetchall())
        except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
            raise Unavailable(str(error)) from error


@asynccontextmanager
async def snapshot_of(path: Path) -> AsyncIterator[SqliteSnapshot]:
    """Begin it now; the first read is what fixes the moment."""
    try:
        connection = await asyncio.to_thread(_begin, path)
    except sqlite3.Error as error:
        raise Unavailable(f"{path}: {error}") from error
    try:
        yield SqliteSnapshot(connection)
    finally:
        await asyncio.to_thread(connection.close)


def _begin(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN")
    connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    return connection
