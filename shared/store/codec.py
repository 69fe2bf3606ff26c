"""Documents as JSON text. What JSON lacks is a tagged object: no field's name starts with `$`, so tags are distinct."""

import base64
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.store.port import Document

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_millis(value: datetime) -> int:
    """Milliseconds since 1970."""
    return (value - _EPOCH) // _MILLISECOND


def dumps(document: Document) -> str:
    """A clean document (see `values`) as text."""
    try:
        return _ENCODER.encode(document)
    except ValueError:  # NaN or infinity, which JSON does not know
        return _ENCODER.encode(_without_odd_floats(document))


def loads(text: str) -> Any:
    """What `dumps` was given."""
    return _DECODER.decode(text) if '{"$' in text else json.loads(text)


def _tag(value: Any) -> dict[str, Any]:
    if isinstance(value, datetime):
        return {"$date": to_millis(value)}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    raise TypeError(type(value).__name__)


def _untag(document: dict[str, Any]) -> Any:
    if len(document) == 1:
        if "$date" in document:
            return _EPOCH + document["$date"] * _MILLISECOND
        if "$bytes" in document:
            return base64.b64decode(document["$bytes"])
        if "$float" in document:
            return float(document["$float"])
    return document


def _without_odd_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_odd_floats(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_odd_floats(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": repr(value)}
    return value


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False, default=_tag
)
_DECODER = json.JSONDecoder(object_hook=_untag)
