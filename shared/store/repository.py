"""A collection of aggregates: how a document becomes an aggregate and back."""

from dataclasses import dataclass, field
from typing import Any

from shared.contracts.aggregate import Aggregate
from shared.store.port import PENDING, PENDING_LISTS, Collection, Document, Index


@dataclass(frozen=True)
class Repository[A: Aggregate]:
    """Where aggregates of one kind are kept: name of the collection, their model, the indexes that queries need."""

    name: str
    model: type[A]
    indexes: tuple[Index, ...] = field(default=())

    @property
    def collection(self) -> Collection:
        """As the store knows it."""
        return Collection(self.name, self.indexes)

    def to_fields(self, aggregate: A, version: int) -> Document:
        """The aggregate's fields at a version, without its id and the reserved ones."""
        fields: dict[str, Any] = aggregate.model_dump(mode="python", exclude={"id"})
        return fields | {"version": version}

    def to_aggregate(self, document: Document) -> A:
        """The aggregate that a document holds."""
        return self.model.model_validate(
            {k: v for k, v in document.items() if k not in PENDING_LISTS and k not in ("_id", PENDING)}
            | {"id": document["_id"]}
        )
