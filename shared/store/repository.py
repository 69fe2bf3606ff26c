"""A collection of aggregates: how a document becomes an aggregate and back, also one of an earlier format."""

from collections.abc import Callable
from dataclasses import dataclass, field

from shared.contracts.aggregate import Aggregate
from shared.store.errors import Newer
from shared.store.port import FORMAT, PENDING, PENDING_LISTS, Collection, Document, Index
from shared.store.unknown import kept, unknown

type Migration = Callable[[Document], Document]
"""Document of one format -> the same in the next one. Pure; made of the old format's fields alone, since an old process
may have written them anew over what a new one wrote."""


@dataclass(frozen=True)
class Repository[A: Aggregate]:
    """Where aggregates of one kind are kept: name of the collection, their model, the indexes that queries need.

    `migrations` lead from format 1 to the one that this code writes; a new optional field of the aggregate needs none.
    `gone` are fields of earlier formats that are to hold nothing any more. `follows`: copies of another service's
    aggregates, at their versions.
    """

    name: str
    model: type[A]
    indexes: tuple[Index, ...] = field(default=())
    migrations: tuple[Migration, ...] = field(default=())
    gone: tuple[str, ...] = field(default=())
    follows: bool = False

    @property
    def collection(self) -> Collection:
        """As the store knows it."""
        return Collection(self.name, self.indexes)

    @property
    def format(self) -> int:
        """The format that this code writes, counted from 1."""
        return len(self.migrations) + 1

    def to_fields(self, aggregate: A, version: int) -> Document:
        """The aggregate's fields at a version, without its id and the reserved ones."""
        fields = kept(aggregate.model_dump(mode="python", exclude={"id"}), aggregate._unknown)  # noqa: SLF001
        return dict.fromkeys(self.gone) | fields | {"version": version, FORMAT: self.format}

    def to_aggregate(self, document: Document) -> A:
        """The aggregate that a document holds. Newer where a newer process wrote what this one cannot read."""
        current = self.migrated(document)
        own = {k: v for k, v in current.items() if k not in PENDING_LISTS and k not in ("_id", PENDING, FORMAT)}
        aggregate = self.model.model_validate(own | {"id": document["_id"]})
        if found := unknown(aggregate.model_dump(mode="python"), own):
            aggregate._unknown = found  # noqa: SLF001
        return aggregate

    def migrated(self, document: Document) -> Document:
        """The document in the format of this code."""
        stored = document.get(FORMAT, 1)
        if stored > self.format:
            raise Newer(
                f"{self.name}: format {stored} was written by a newer version of this service; this one reads "
                f"{self.format}"
            )
        for migration in self.migrations[stored - 1 :]:
            document = migration(document)
        return document if stored == self.format else {**document, **dict.fromkeys(self.gone), FORMAT: self.format}
