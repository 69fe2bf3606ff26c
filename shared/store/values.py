"""What can be kept: every store lets values through here first, so that all refuse the same ones.

The rules are MongoDB's (BSON): field names without NUL, `.` or a leading `$`; integers of 64 bits; strings that are
Unicode; 16 MiB a document, 100 levels. What comes out is a copy with plain types: tuples are lists, datetimes are UTC
and cut to the millisecond, subclasses of str and int (enums) are str and int.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from shared.store.errors import BadValue
from shared.store.port import Between, Document, Has, In, Where

MAX_BYTES = 16 * 1024 * 1024
"""Of a document, as BSON."""

MAX_DEPTH = 100
"""Levels of nesting."""

_names: dict[str, int] = {}
"""Names of fields that can be kept -> their bytes."""
_ALIKE = {int: "number", float: "number", bool: "bool", str: "str", bytes: "bytes", datetime: "date"}


def clean_document(document: Mapping[str, Any]) -> Document:
    """A whole document for insert, with its `_id`."""
    clean_id(document.get("_id"))
    return _limited(document)


def clean_id(id: Any) -> str:
    """A document's id, or a file's name."""
    if not isinstance(id, str):
        raise BadValue("an id is a str")
    return str(_Walk().value(id, 1))


def clean_metadata(metadata: Mapping[str, Any]) -> Document:
    """A file's metadata."""
    return _limited(metadata)


def clean_fields(id: str, fields: Mapping[str, Any], push: Mapping[str, Sequence[Document]]) -> Document:
    """Top-level fields to set on the document `id`; they carry its new version and clash with no pushed array."""
    version = fields.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise BadValue("version: the fields carry the new version, an int")
    if fields.get("_id", id) != id:
        raise BadValue("_id: an id never changes")
    if clash := fields.keys() & push.keys():
        raise BadValue(f"{min(clash)}: set and pushed in one write")
    return {name: value for name, value in _limited(fields).items() if name != "_id"}


def clean_push(push: Mapping[str, Sequence[Document]]) -> dict[str, list[Document]]:
    """Elements to append, by array; empty ones are left out."""
    return {name: elements for name, elements in _limited(push).items() if elements}


def clean_change(set: Mapping[str, Any] | None, increment: Mapping[str, Any] | None) -> tuple[Document, Document]:
    """What `update` sets and increments, by dotted path; no path twice or inside another, no index into an array."""
    paths = sorted([*(set or {}), *(increment or {})])
    if not paths:
        raise BadValue("an update sets or increments something")
    for path in paths:
        parts = path.split(".")
        if not all(_good_name(part) and not part.isdigit() for part in parts) or parts[0] == "_id":
            raise BadValue(f"{path!r} cannot be set")
    for i, path in enumerate(paths):
        if any(other == path or other.startswith(f"{path}.") for other in paths[i + 1 :]):
            raise BadValue(f"{path}: changed twice in one update")
    for path, by in (increment or {}).items():
        if isinstance(by, bool) or not isinstance(by, int | float):
            raise BadValue(f"{path}: incremented by {type(by).__name__}, not by a number")
    walk = _Walk()
    changed = {path: walk.value(value, 1) for path, value in (set or {}).items()}
    steps = {path: walk.value(value, 1) for path, value in (increment or {}).items()}
    _check_size(walk.size)
    return changed, steps


def clean_where(where: Where) -> dict[str, Any]:
    """Conditions with clean scalars in them."""
    return {field: _condition(field, condition) for field, condition in where.items()}


def clean_scalar(value: Any) -> Any:
    """A value to compare with."""
    if isinstance(value, dict | list | tuple):
        raise BadValue(f"compared with a {type(value).__name__}, not with a single value")
    return _Walk().value(value, 1)


def check_size(document: Document) -> None:
    """BadValue where a document grew beyond the limit."""
    _limited(document)


def _condition(field: str, condition: Any) -> Any:
    try:
        match condition:
            case In(values):
                return In([clean_scalar(value) for value in values])
            case Has(value):
                return Has(_given(value))
            case Between():
                return _between(condition)
            case _:
                return clean_id(condition) if field == "_id" else clean_scalar(condition)
    except BadValue as bad:
        raise BadValue(f"{field}: {bad}") from None


def _given(value: Any) -> Any:
    if value is None:
        raise BadValue("an array is not asked for null")
    return clean_scalar(value)


def _between(bounds: Between) -> Between:
    sides = [clean_scalar(side) for side in (bounds.at_least, bounds.above, bounds.at_most, bounds.below)]
    given = [side for side in sides if side is not None]
    if len({_ALIKE[type(side)] for side in given}) != 1 or any(side != side for side in given):  # noqa: PLR0124 - NaN
        raise BadValue("between needs at least one bound, all of one type")
    return Between(*sides)


def _limited(document: Mapping[str, Any]) -> Document:
    walk = _Walk()
    clean = walk.document(document, 1)
    _check_size(walk.size)
    return clean


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise BadValue(f"{size} bytes; a document holds at most {MAX_BYTES}")


def _good_name(name: Any) -> bool:
    if not isinstance(name, str) or not name or name[0] == "$" or "." in name or "\0" in name:
        return False
    return _utf8_length(name) > 0


def _name_length(name: Any) -> int:
    if not _good_name(name):
        raise BadValue(f"{name!r} cannot be a field's name")
    length = _utf8_length(name)
    if len(_names) < 10_000:  # names come from code; data used as names must not fill the memory
        _names[name] = length
    return length


def _utf8_length(text: str) -> int:
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise BadValue("a lone surrogate is no character") from None


class _Walk:
    """Copies values, and counts the bytes they take as BSON."""

    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size = 0

    def document(self, document: Mapping[str, Any], depth: int) -> Document:
        if depth > MAX_DEPTH:
            raise BadValue(f"nested deeper than {MAX_DEPTH} levels")
        self.size += 5
        copy = {}
        for name, value in document.items():
            self.size += 2 + (_names.get(name) or _name_length(name))
            if type(value) is str and value.isascii():  # most values, and every document passes here
                self.size += 5 + len(value)
                copy[name] = value
                continue
            try:
                copy[name] = self.value(value, depth)
            except BadValue as bad:
                raise BadValue(f"{name}: {bad}") from None
        return copy

    def value(self, value: Any, depth: int) -> Any:  # noqa: PLR0911 - one return a type, the frequent ones first
        kind = type(value)
        if kind is str:
            self.size += 5 + _utf8_length(value)
            return value
        if value is None or kind is bool:
            self.size += kind is bool
            return value
        if kind is int:
            return self._int(value)
        if kind is float or kind is datetime:
            self.size += 8
            return value if kind is float else _utc(value)
        if kind is dict:
            return self.document(value, depth + 1)
        if kind is list or kind is tuple:
            return self._list(value, depth + 1)
        if kind is bytes:
            self.size += 5 + len(value)
            return value
        return self._unusual(value, depth)

    def _int(self, value: int) -> int:
        if not -(2**63) <= value < 2**63:
            raise BadValue("an integer beyond 64 bits")
        self.size += 4 if -(2**31) <= value < 2**31 else 8
        return value

    def _list(self, values: Sequence[Any], depth: int) -> list[Any]:
        if depth > MAX_DEPTH:
            raise BadValue(f"nested deeper than {MAX_DEPTH} levels")
        count = len(values)
        # BSON names each element by its number in decimal digits.
        digits = sum(count - 10**power for power in range(1, len(str(count))) if count > 10**power)
        self.size += 5 + 3 * count + digits
        return [self.value(value, depth) for value in values]

    def _unusual(self, value: Any, depth: int) -> Any:  # noqa: PLR0911 - one return a type
        """Subclasses of what is allowed, as what they are; all else is refused."""
        if isinstance(value, str):
            return self.value(str.__str__(value), depth)
        if isinstance(value, int):
            return self._int(int.__index__(value))
        if isinstance(value, float):
            return self.value(float.__float__(value), depth)
        if isinstance(value, datetime):
            self.size += 8
            return _utc(value)
        if isinstance(value, Mapping):
            return self.document(value, depth + 1)
        if isinstance(value, list | tuple):
            return self._list(value, depth + 1)
        if isinstance(value, bytearray | memoryview):
            return self.value(bytes(value), depth)
        raise BadValue(f"a {kind_name(value)} cannot be kept")


def kind_name(value: Any) -> str:
    """The type's name, for messages that must not show the value."""
    return type(value).__qualname__


def is_nan(value: Any) -> bool:
    """Whether it is the float that equals nothing."""
    return isinstance(value, float) and math.isnan(value)


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None or value.utcoffset() is None:
        raise BadValue("a datetime without a time zone")
    try:
        utc = value.astimezone(UTC)
    except OverflowError:
        raise BadValue("a datetime outside the years 1 to 9999 in UTC") from None
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)
