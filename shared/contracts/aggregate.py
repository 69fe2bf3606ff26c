"""What domain aggregates have in common. Lives beside the contracts so that domain modules import nothing else."""

from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr


class Aggregate(BaseModel):
    """A thing with an identity that changes as one. Immutable: a change is `model_copy(update=…)` or a new one.

    `version` is 0 before the first save and counts up by one with each. Fields are JSON-like values, UTC datetimes
    (kept to the millisecond) and bytes; wall times and dates are kept as ISO strings.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    version: int = 0

    _unknown: dict[str, tuple[Any, Any]] = PrivateAttr(default_factory=dict)
    """What a newer version of the service put inside its fields (see shared.store.unknown); copies carry it along."""
