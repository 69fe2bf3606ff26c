"""The database as of one moment, where the server has snapshot reads: a replica set or a sharded cluster.

The server keeps the past for `minSnapshotHistoryWindowInSeconds` (300 by default): a backup that takes longer fails
with SnapshotTooOld, and wants a higher value. A single server has no snapshot reads.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase

from shared.store.errors import Unavailable
from shared.store.mongo.driver import CODEC, answers
from shared.store.port import Collection, Document

FILES, CHUNKS = Collection("store.files"), Collection("store.chunks")


class MongoSnapshot:
    """Reads in one session."""

    def __init__(self, database: "AsyncIOMotorDatabase[Document]", session: Any) -> None:
        self._database = database
        self._session = session

    @property
    def single_moment(self) -> bool:
        return self._session is not None

    async def everything(self, collection: Collection) -> AsyncIterator[Document]:
        with answers(collection.name):
            async for document in self._find(collection, {}):
                yield document

    async def files(self) -> AsyncIterator[tuple[str, bytes, Document]]:
        async for file in self.everything(FILES):
            with answers("files"):
                behind = {"$gte": file["write"], "$lt": file["write"] + "\x7f"}
                content = b"".join([chunk["data"] async for chunk in self._find(CHUNKS, {"_id": behind})])
            if len(content) != file["size"]:
                raise Unavailable(f"file {file['_id']!r} was replaced while it was read")
            yield file["_id"], content, file["metadata"]

    def _find(self, collection: Collection, where: Document) -> Any:
        target = self._database.get_collection(collection.name, codec_options=CODEC)
        return target.find(where, sort=[("_id", 1)], session=self._session)


@asynccontextmanager
async def snapshot_of(database: "AsyncIOMotorDatabase[Document]") -> AsyncIterator[MongoSnapshot]:
    """The first read fixes the moment."""
    with answers("snapshot"):
        hello = await database.client.admin.command("hello")
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        yield MongoSnapshot(database, None)
        return
    async with await database.client.start_session(snapshot=True) as session:
        yield MongoSnapshot(database, session)
