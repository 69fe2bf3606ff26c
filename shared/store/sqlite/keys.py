"""Values as bytes whose order and equality are those of MongoDB: null < numbers < strings < objects < arrays < bytes <
bool < date; numbers by value whatever their type; strings by their UTF-8 bytes; bytes by length first.

A key says where it ends, and never goes on with 0xff; so keys of several fields, and the document's id after them,
can be put one after another, and `key + 0xff` lies behind all that start with `key`.
"""

import itertools
import math
import struct
from datetime import datetime
from typing import Any

from shared.store.codec import to_millis
from shared.store.errors import BadValue

EMPTY = b"\x03"  # of an array without elements
NULL = b"\x05"
END = b"\xff"
_NUMBER, _STRING, _OBJECT, _ARRAY, _BYTES, _BOOL, _DATE = (bytes([n]) for n in (10, 15, 20, 25, 30, 40, 45))
_NAN = _NUMBER + bytes(10)
_TAGS = {int: _NUMBER, float: _NUMBER, str: _STRING, bytes: _BYTES, bool: _BOOL, datetime: _DATE}


def key(value: Any) -> bytes:  # noqa: PLR0911 - one line a type
    """A clean value's key."""
    kind = type(value)
    if kind is str:
        return _STRING + _text(value)
    if value is None:
        return NULL
    if kind is int or kind is float:
        return _number(value)
    if kind is datetime:
        return _DATE + struct.pack(">Q", to_millis(value) + 2**63)
    if kind is bool:
        return _BOOL + bytes([value])
    if kind is bytes:
        return _BYTES + struct.pack(">I", len(value)) + bytes(value)
    if kind is list:
        return _ARRAY + b"".join(key(inner) for inner in value) + b"\0"
    return _OBJECT + b"".join(_member(name, inner) for name, inner in value.items()) + b"\0"


def kind_range(value: Any) -> tuple[bytes, bytes]:
    """From the lowest key of the value's type to behind the highest. NaN is a number below which no bound reaches."""
    tag = _TAGS[type(value)]
    return (_number(-math.inf) if tag == _NUMBER else tag), bytes([tag[0] + 1])


def keys_at(document: Any, path: tuple[str, ...]) -> tuple[list[bytes], bool]:
    """The keys of what stands at a path, and whether an array is involved: then each element has its own."""
    found: list[bytes] = []
    is_array = _collect(document, path, found)
    return (list(dict.fromkeys(found)) or [NULL]), is_array


def entries(document: dict[str, Any], paths: tuple[tuple[str, ...], ...]) -> list[tuple[bytes, ...]]:
    """What an index over these paths holds of a document: one entry, or one for each element of an array."""
    columns = [keys_at(document, path) for path in paths]
    if sum(is_array for _, is_array in columns) > 1:
        raise BadValue("an index cannot hold two arrays of one document")
    return list(itertools.product(*(keys for keys, _ in columns)))


def _collect(value: Any, path: tuple[str, ...], found: list[bytes]) -> bool:
    for depth, name in enumerate(path):
        if isinstance(value, list):
            for inner in value:
                if isinstance(inner, dict):
                    _collect(inner, path[depth:], found)
            return True
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, list):
        found.extend([key(inner) for inner in value] or [EMPTY])
        return True
    found.append(key(value))
    return False


def _text(value: str) -> bytes:
    return value.encode().replace(b"\0", b"\0\xff") + b"\0"


def _member(name: str, value: Any) -> bytes:
    whole = key(value)
    return whole[:1] + _text(name) + whole[1:]  # objects are compared by type, then name, then value


def _number(value: float) -> bytes:
    if value != value:  # noqa: PLR0124 - NaN
        return _NAN
    near = float(value)
    rest = 0
    if type(value) is int and not -(2**53) <= value <= 2**53:  # what a double cannot tell apart stands behind it
        if near > value:
            near = math.nextafter(near, -math.inf)
        rest = value - int(near)
    (bits,) = struct.unpack(">Q", struct.pack(">d", near + 0.0))  # + 0.0 makes -0.0 the zero
    bits = bits ^ 0xFFFF_FFFF_FFFF_FFFF if bits >> 63 else bits | 1 << 63
    return _NUMBER + struct.pack(">QH", bits, rest)
