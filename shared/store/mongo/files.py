"""Files in chunks. The chunks of a write have ids of their own; one write then makes them the file.

    store.files   _id: the name; write, size, metadata
    store.chunks  _id: <digest of the name>/<write>/<number>; data

A crash before the switch leaves chunks without a file; the next write of that name, a day later, removes them.
"""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import ReturnDocument

from shared.store.errors import Unavailable
from shared.store.mongo.driver import CODEC, answers
from shared.store.port import Document

CHUNK = 2 * 1024 * 1024
_TRIES = 5
_ABANDONED = timedelta(days=1)


class Files:
    """The files of one database."""

    def __init__(self, database: "AsyncIOMotorDatabase[Document]") -> None:
        self._files = database.get_collection("store.files", codec_options=CODEC)
        self._chunks = database.get_collection("store.chunks")

    async def write(self, name: str, content: bytes, metadata: Document) -> None:
        """Write the chunks, switch to them, remove those of before."""
        now = datetime.now(UTC)
        prefix = _prefix(name, _moment(now) + uuid.uuid4().hex)
        with answers("files"):
            for number, start in enumerate(range(0, len(content), CHUNK)):
                await self._chunks.insert_one({"_id": f"{prefix}{number:06}", "data": content[start : start + CHUNK]})
            before = await self._files.find_one_and_update(
                {"_id": name},
                {"$set": {"write": prefix, "size": len(content), "metadata": metadata}},
                upsert=True,
                return_document=ReturnDocument.BEFORE,
            )
            if before:
                await self._remove(before["write"])
            await self._remove_abandoned(name, now, prefix)

    async def read(self, name: str) -> tuple[bytes, Document] | None:
        """Content and metadata. A write in between takes the chunks away: then again from the start."""
        for _ in range(_TRIES):
            with answers("files"):
                file = await self._files.find_one({"_id": name})
                if file is None:
                    return None
                content = await self._content(file["write"])
            if len(content) == file["size"]:
                return content, file["metadata"]
        raise Unavailable(f"file {name!r} is being replaced all the time")

    async def delete(self, name: str) -> bool:
        """Remove the file, then its chunks."""
        with answers("files"):
            file = await self._files.find_one_and_delete({"_id": name})
            if file is not None:
                await self._remove(file["write"])
        return file is not None

    async def _content(self, prefix: str) -> bytes:
        chunks = self._chunks.find({"_id": _behind(prefix)}, sort=[("_id", 1)])
        return b"".join([chunk["data"] async for chunk in chunks])

    async def _remove(self, prefix: str) -> None:
        await self._chunks.delete_many({"_id": _behind(prefix)})

    async def _remove_abandoned(self, name: str, now: datetime, current: str) -> None:
        old = {"$gte": _prefix(name, ""), "$lt": _prefix(name, _moment(now - _ABANDONED))}
        file = await self._files.find_one({"_id": name}, {"write": 1})
        kept = _behind(file["write"] if file else current)
        await self._chunks.delete_many({"$and": [{"_id": old}, {"_id": {"$not": kept}}]})


def _prefix(name: str, write: str) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()[:24]
    return f"{digest}/{write}/" if write else f"{digest}/"


def _moment(now: datetime) -> str:
    return f"{int(now.timestamp() * 1000):013x}"


def _behind(prefix: str) -> dict[str, Any]:
    return {"$gte": prefix, "$lt": prefix + "\x7f"}
