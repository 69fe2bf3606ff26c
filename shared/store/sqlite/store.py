"""`SqliteStore`: the port on one SQLite file.

Values are checked in the caller's thread, the file is used in two others.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from shared.store.codec import dumps
from shared.store.errors import Unavailable
from shared.store.order import parse_order
from shared.store.port import Between, Collection, Document, Follow, In, Put, Snapshot, Trim, Where, declared
from shared.store.sqlite import files, reading, schema, shredding, writing
from shared.store.sqlite.planning import Plan, plan_of
from shared.store.sqlite.schema import Table
from shared.store.sqlite.snapshot import snapshot_of
from shared.store.sqlite.worker import Worker
from shared.store.together import Grouped
from shared.store.values import (
    clean_change,
    clean_document,
    clean_fields,
    clean_id,
    clean_push,
    clean_scalar,
    clean_where,
)

PAGE = 200
"""Documents that `everything` reads at once."""

DELETED_AT_ONCE = 500
"""So that a large delete does not hold up other writes for long."""


class SqliteStore:
    """A store in one file, which several processes may have open. Directories above it are made at open."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._collections: dict[str, Collection] = {}
        self._writer: Worker | None = None
        self._reader: Worker | None = None
        self._tables: dict[str, Table] = {}  # these two belong to the writer's thread
        self._schema = -1
        self._together: dict[str, Grouped] = {}

    async def open(self, collections: Sequence[Collection]) -> None:
        if self._writer is None or self._reader is None:
            self._writer, self._reader = Worker(self.path, writes=True), Worker(self.path, writes=False)
            self._writer.start()
            self._reader.start()
        await self._write(lambda connection: schema.make(connection, collections))
        self._collections |= {collection.name: collection for collection in collections}
        self._together |= {
            name: Grouped(partial(self._get_many, c), partial(self._insert_many, name), partial(self._put, name))
            for name, c in self._collections.items()
        }

    async def close(self) -> None:
        workers = [worker for worker in (self._writer, self._reader) if worker]
        self._writer = self._reader = None
        for worker in workers:
            await asyncio.to_thread(worker.stop)
        self._schema = -1

    async def ping(self) -> None:
        now = datetime.now(UTC).isoformat()
        await self._write(lambda connection: connection.execute("REPLACE INTO ping VALUES (1, ?)", (now,)))

    async def insert(self, collection: Collection, document: Document, *, follow: Sequence[Follow] = ()) -> None:
        clean = clean_document(document)
        text = dumps(clean)
        name, after = self._declared(collection).name, self._following(follow)

        def write(c: sqlite3.Connection) -> None:
            writing.insert(c, self._table(c, name), clean, text)
            self._follow(c, after)

        await self._write(write)

    async def insert_many(self, collection: Collection, documents: Sequence[Document]) -> list[str]:
        return await self._grouped(collection).insert([clean_document(document) for document in documents])

    async def get(self, collection: Collection, id: str) -> Document | None:
        return (await self.get_many(collection, [id])).get(id)

    async def get_many(self, collection: Collection, ids: Sequence[str]) -> dict[str, Document]:
        return await self._grouped(collection).get([clean_id(each) for each in ids])

    async def find(
        self,
        collection: Collection,
        where: Where,
        *,
        order: str | None = None,
        after: Document | None = None,
        limit: int = 100,
    ) -> list[Document]:
        plan = self._plan(collection, where, order)
        position = plan.order.position(after)
        return await self._read(lambda c: reading.find(c, plan, position, limit))

    async def save(
        self,
        collection: Collection,
        id: str,
        fields: Document,
        *,
        version: int,
        push: Mapping[str, Sequence[Document]],
        follow: Sequence[Follow] = (),
    ) -> None:
        clean, tail = clean_fields(id, fields, push), clean_push(push)
        name, after = self._declared(collection).name, self._following(follow)

        def write(c: sqlite3.Connection) -> None:
            writing.save(c, self._table(c, name), id, version, clean, tail)
            self._follow(c, after)

        await self._write(write)

    async def put(self, collection: Collection, puts: Sequence[Put]) -> list[bool]:
        return await self._grouped(collection).put(_clean(puts))

    async def trim(self, collection: Collection, trims: Sequence[Trim]) -> None:
        name = self._declared(collection).name
        await self._write(lambda c: writing.trim(c, self._table(c, name), trims))

    async def update(
        self,
        collection: Collection,
        where: Where,
        *,
        set: Document | None = None,
        increment: Mapping[str, int | float] | None = None,
    ) -> Document | None:
        values, steps = clean_change(set, increment)
        plan = self._plan(collection, where)
        return await self._write(lambda c: writing.update(c, self._current(c, plan), values, steps))

    async def claim(
        self, collection: Collection, where: Where, *, due: str, now: datetime, until: datetime, by: str, limit: int
    ) -> list[Document]:
        plan = self._plan(collection, {**where, due: Between(at_most=now)}, due)
        lease = {due: clean_scalar(until), "claimed_by": clean_scalar(by)}
        return await self._write(lambda c: writing.claim(c, self._current(c, plan), lease, limit))

    async def count(self, collection: Collection, where: Where) -> int:
        plan = self._plan(collection, where)
        return await self._read(lambda c: reading.count(c, plan))

    async def tally(self, collection: Collection, field: str, where: Where) -> dict[object, int]:
        plan = self._plan(collection, where)
        return await self._read(lambda c: reading.tally(c, plan, field))

    async def delete(self, collection: Collection, where: Where) -> int:
        plan = self._plan(collection, where)
        removed = 0
        while True:
            some = await self._write(lambda c: writing.delete(c, self._current(c, plan), DELETED_AT_ONCE))
            removed += some
            if some < DELETED_AT_ONCE:
                return removed

    async def write_file(self, name: str, content: bytes, metadata: Document) -> None:
        row = (clean_id(name), bytes(content), files.text(metadata))
        await self._write(lambda c: files.write(c, *row))

    async def read_file(self, name: str) -> tuple[bytes, Document] | None:
        return await self._read(lambda c: files.read(c, clean_id(name)))

    async def delete_file(self, name: str) -> bool:
        return await self._write(lambda c: files.delete(c, clean_id(name)))

    async def shred(self) -> None:
        await asyncio.to_thread(shredding.shred, self.path)

    async def explain(self, collection: Collection, where: Where, order: str | None = None) -> str:
        plan = self._plan(collection, where, order)
        return await self._read(lambda c: reading.explain(c, plan))

    async def everything(self, collection: Collection) -> AsyncIterator[Document]:
        page: list[Document] = []
        while page := await self.find(collection, {}, after=page[-1] if page else None, limit=PAGE):
            for document in page:
                yield document

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        return snapshot_of(self.path)

    def _declared(self, collection: Collection) -> Collection:
        return declared(self._collections, collection)

    def _grouped(self, collection: Collection) -> Grouped:
        return self._together[self._declared(collection).name]

    async def _get_many(self, collection: Collection, ids: Sequence[str]) -> dict[str, Document]:
        plan = self._plan(collection, {"_id": In(ids)})
        return await self._read(lambda c: {document["_id"]: document for document in reading.every(c, plan)})

    async def _insert_many(self, name: str, documents: Sequence[Document]) -> list[str]:
        texts = [(document, dumps(document)) for document in documents]
        return await self._write(lambda c: writing.insert_many(c, self._table(c, name), texts))

    async def _put(self, name: str, puts: Sequence[Put]) -> list[bool]:
        return await self._write(lambda c: writing.put(c, self._table(c, name), puts))

    def _following(self, follow: Sequence[Follow]) -> list[tuple[str, list[Put]]]:
        return [(self._declared(each.collection).name, _clean(each.puts)) for each in follow]

    def _follow(self, connection: sqlite3.Connection, follow: Sequence[tuple[str, list[Put]]]) -> None:
        for name, puts in follow:
            writing.put(connection, self._table(connection, name), puts)

    def _plan(self, collection: Collection, where: Where, order: str | None = None) -> Plan:
        return plan_of(self._declared(collection), clean_where(where), parse_order(order))

    def _table(self, connection: sqlite3.Connection, name: str) -> Table:
        """With the indexes that the file has now: another process may have added one."""
        (version,) = connection.execute("PRAGMA schema_version").fetchone()
        if version != self._schema:
            self._tables, self._schema = schema.tables(connection), version
        return self._tables[name]

    def _current(self, connection: sqlite3.Connection, plan: Plan) -> Plan:
        return plan.on(self._table(connection, plan.table.collection))

    async def _write[T](self, act: Callable[[sqlite3.Connection], T]) -> T:
        if self._writer is None:
            raise Unavailable(f"{self.path} is not open")
        return await self._writer.do(act)

    async def _read[T](self, act: Callable[[sqlite3.Connection], T]) -> T:
        if self._reader is None:
            raise Unavailable(f"{self.path} is not open")
        return await self._reader.do(act)


def _clean(puts: Sequence[Put]) -> list[Put]:
    return [Put(clean_id(p.id), clean_fields(p.id, p.fields, p.push), clean_push(p.push)) for p in puts]
