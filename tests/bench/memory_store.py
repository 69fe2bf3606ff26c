"""A store in memory, for the share of the cost that is not the store's: it forgets all when the process ends."""

from collections.abc import Sequence
from typing import Any

from shared.store.port import Collection, Document


class MemoryStore:
    """As much of the port as consuming needs that saves nothing but inbox entries."""

    def __init__(self) -> None:
        self._documents: dict[str, Document] = {}

    async def open(self, collections: Sequence[Collection]) -> None:
        """Nothing to be made."""

    async def close(self) -> None:
        """Nothing to be closed."""

    async def ping(self) -> None:
        """It is there."""

    async def get(self, _: Collection, id: str) -> Document | None:
        """One document by id."""
        return self._documents.get(id)

    async def get_many(self, _: Collection, ids: Sequence[str]) -> dict[str, Document]:
        """Those that there are."""
        return {each: self._documents[each] for each in ids if each in self._documents}

    async def insert_many(self, _: Collection, documents: Sequence[Document]) -> list[str]:
        """Those that are not there yet."""
        taken = [d["_id"] for d in documents if d["_id"] in self._documents]
        for document in documents:
            self._documents.setdefault(document["_id"], document)
        return taken

    async def find(self, *_: Any, **__: Any) -> list[Document]:
        """Nothing is owed to anybody."""
        return []

    async def delete(self, *_: Any) -> int:
        """Nothing is old enough."""
        return 0
