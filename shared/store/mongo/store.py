"""`MongoStore`: the port on MongoDB."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.store.errors import BadValue, Stale, Unavailable
from shared.store.mongo import bulk, driver, indexes, queries
from shared.store.mongo.driver import CODEC, answers
from shared.store.mongo.files import Files
from shared.store.mongo.snapshot import snapshot_of
from shared.store.order import Order, parse_order
from shared.store.port import Between, Collection, Document, Follow, Put, Snapshot, Trim, Where, declared, serving_index
from shared.store.together import Grouped
from shared.store.values import (
    clean_change,
    clean_document,
    clean_fields,
    clean_id,
    clean_metadata,
    clean_push,
    clean_scalar,
    clean_where,
)

PAGE = 200
"""Documents that `everything` reads at once."""

_AFTER = ReturnDocument.AFTER


class MongoStore:
    """A store in one database: a single server, a replica set or a sharded cluster. Needs no transactions."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._name = driver.database_of(url)
        self._collections: dict[str, Collection] = {}
        self._together: dict[str, Grouped] = {}
        self._client: AsyncIOMotorClient[Document] | None = None

    async def open(self, collections: Sequence[Collection]) -> None:
        if self._client is None:
            self._client = driver.connect(self._url)
        for collection in collections:
            with answers(collection.name):
                await self._database[collection.name].create_indexes(indexes.models(collection))
            self._collections[collection.name] = collection
            target = self._target(collection)
            self._together[collection.name] = Grouped(
                partial(bulk.get_many, target), partial(bulk.insert_many, target), partial(bulk.put, target)
            )

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(client.close)  # it says goodbye to the server, and waits for that

    async def ping(self) -> None:
        with answers("ping"):
            try:
                await self._database["store.ping"].update_one(
                    {"_id": "ping"}, {"$set": {"at": datetime.now(UTC)}}, upsert=True
                )
            except DuplicateKeyError:  # another process pinged first: it can write
                return

    async def insert(self, collection: Collection, document: Document, *, follow: Sequence[Follow] = ()) -> None:
        clean = clean_document(document)
        with answers(collection.name):
            await self._target(collection).insert_one(clean)
        await self._follow(follow)

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
        by = parse_order(order)
        fitting = queries.page_of(self._filter(collection, where, by), by, by.position(after))
        if limit < 1:
            return []
        with answers(collection.name):
            found = self._target(collection).find(fitting, sort=queries.sort_of(by), limit=limit)
            documents: list[Document] = await found.to_list(limit)
        return documents

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
        change = bulk.changing(clean_fields(id, fields, push), clean_push(push))
        with answers(collection.name):
            done = await self._target(collection).update_one({"_id": clean_id(id), "version": version}, change)
        if not done.matched_count:
            raise Stale(f"{collection.name}: {id!r} is not at version {version}")
        await self._follow(follow)

    async def put(self, collection: Collection, puts: Sequence[Put]) -> list[bool]:
        clean = [Put(clean_id(p.id), clean_fields(p.id, p.fields, p.push), clean_push(p.push)) for p in puts]
        return await self._grouped(collection).put(clean)

    async def trim(self, collection: Collection, trims: Sequence[Trim]) -> None:
        await bulk.trim(self._target(collection), trims)

    async def update(
        self,
        collection: Collection,
        where: Where,
        *,
        set: Document | None = None,
        increment: Mapping[str, int | float] | None = None,
    ) -> Document | None:
        values, steps = clean_change(set, increment)
        change = {name: part for name, part in (("$set", values), ("$inc", steps)) if part}
        return await self._modify(collection, self._filter(collection, where), change)

    async def claim(
        self, collection: Collection, where: Where, *, due: str, now: datetime, until: datetime, by: str, limit: int
    ) -> list[Document]:
        order = parse_order(due)
        fitting = self._filter(collection, {**where, due: Between(at_most=now)}, order)
        lease = {"$set": {due: clean_scalar(until), "claimed_by": clean_scalar(by)}}
        claimed: list[Document] = []
        while limit > 0 and not claimed:
            with answers(collection.name):
                found = self._target(collection).find(fitting, {"_id": 1}, sort=queries.sort_of(order), limit=limit)
                ids = [document["_id"] async for document in found]
            # Each on its own, on what was found: whoever is faster has it, and the others learn so.
            tries = (self._modify(collection, {**fitting, "_id": each}, lease) for each in ids)
            claimed = [document for document in await asyncio.gather(*tries) if document]
            if not ids:
                break  # none is left; where others were faster with all of them, there may be more
        return claimed

    async def count(self, collection: Collection, where: Where) -> int:
        with answers(collection.name):
            number: int = await self._target(collection).count_documents(self._filter(collection, where))
        return number

    async def tally(self, collection: Collection, field: str, where: Where) -> dict[Any, int]:
        stages = [
            {"$match": self._filter(collection, where)},
            {"$group": {"_id": f"${field}", "number": {"$sum": 1}}},
        ]
        with answers(collection.name):
            groups = [group async for group in self._target(collection).aggregate(stages)]
        if any(isinstance(group["_id"], dict | list) for group in groups):
            raise BadValue(f"{field}: what is tallied is a single value")
        return {group["_id"]: group["number"] for group in groups}

    async def delete(self, collection: Collection, where: Where) -> int:
        with answers(collection.name):
            done = await self._target(collection).delete_many(self._filter(collection, where))
        return int(done.deleted_count)

    async def write_file(self, name: str, content: bytes, metadata: Document) -> None:
        await Files(self._database).write(clean_id(name), bytes(content), clean_metadata(metadata))

    async def read_file(self, name: str) -> tuple[bytes, Document] | None:
        return await Files(self._database).read(clean_id(name))

    async def delete_file(self, name: str) -> bool:
        return await Files(self._database).delete(clean_id(name))

    async def shred(self) -> None:
        """WiredTiger gives free space back to itself; nothing to be done from here."""

    async def explain(self, collection: Collection, where: Where, order: str | None = None) -> str:
        by = parse_order(order)
        find = {
            "find": collection.name,
            "filter": self._filter(collection, where, by),
            "sort": dict(queries.sort_of(by)),
        }
        with answers(collection.name):
            plan = await self._database.command("explain", find, verbosity="queryPlanner")
        return json.dumps(plan, default=str, indent=1)

    async def everything(self, collection: Collection) -> AsyncIterator[Document]:
        page: list[Document] = []
        while page := await self.find(collection, {}, after=page[-1] if page else None, limit=PAGE):
            for document in page:
                yield document

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        return snapshot_of(self._database)

    @property
    def _database(self) -> "AsyncIOMotorDatabase[Document]":
        if self._client is None:
            raise Unavailable(f"{self._name} is not open")
        return self._client.get_database(self._name, codec_options=CODEC)

    def _target(self, collection: Collection) -> "AsyncIOMotorCollection[Document]":
        return self._database[declared(self._collections, collection).name]

    def _grouped(self, collection: Collection) -> Grouped:
        if self._client is None:
            raise Unavailable(f"{self._name} is not open")
        return self._together[declared(self._collections, collection).name]

    def _filter(self, collection: Collection, where: Where, order: Order | None = None) -> Document:
        """Undeclared where no index serves it: MongoDB itself would read the whole collection."""
        clean = clean_where(where)
        serving_index(declared(self._collections, collection), clean, order.field if order else None)
        return queries.filter_of(clean)

    async def _follow(self, follow: Sequence[Follow]) -> None:
        for each in follow:
            await self.put(each.collection, each.puts)

    async def _modify(self, collection: Collection, fitting: Document, change: Document) -> Document | None:
        with answers(collection.name):
            found: Document | None = await self._target(collection).find_one_and_update(
                fitting, change, return_document=_AFTER
            )
        return found
