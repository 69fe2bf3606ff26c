"""Versions of documents whose service was set back to an earlier time, above all that others heard meanwhile."""

from collections.abc import Iterable

from shared.store.port import Collection, Document, Store


class Forward:
    """How documents are changed on their way into a store whose service others heard more of than it knows itself.

    Events carry their aggregate's version, and consumers keep the highest: after a restore the next ones must be above
    all that were told since the backup. Copies of others' aggregates keep the version of their owner.
    """

    STEP = 1_000_000
    """More changes than an aggregate has between two backups."""

    def __init__(self, copies: frozenset[str]) -> None:
        self._copies = copies

    def __call__(self, name: str, document: Document) -> Document:
        """The document of a collection, with higher versions."""
        beside = [b | {"fields": self._raised(b["collection"], b["fields"])} for b in document.get("beside", ())]
        return self._raised(name, document) | ({"beside": beside} if beside else {})

    def _raised(self, name: str, fields: Document) -> Document:
        return fields if name in self._copies else fields | {"version": fields["version"] + self.STEP}


async def go_ahead(store: Store, collections: Iterable[Collection], forward: Forward) -> int:
    """The same for documents that came back another way; how many. Again takes them further, which harms nothing."""
    done = 0
    for collection in collections:
        async for document in store.everything(collection):
            after = forward(collection.name, document)
            changed = {name: after[name] for name in ("version", "beside") if after.get(name) != document.get(name)}
            if changed:
                await store.save(collection, document["_id"], changed, version=document["version"], push={})
            done += bool(changed)
    return done
