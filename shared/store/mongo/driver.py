"""The client, and what the driver's errors mean.

Works with a replica set, a sharded cluster and a single server. Where the server has retryable writes, the driver
repeats a write whose reply was lost, once and without a second effect; where it has none (a single server), a lost
reply comes out as Unavailable, and whoever wrote reads again before writing again.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.errors import BSONError
from bson.int64 import Int64
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import (
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from shared.store.errors import BadValue, Duplicate, StoreError, Unavailable
from shared.store.port import Document

DEFAULTS: dict[str, Any] = {
    "serverselectiontimeoutms": 3_000,
    "connecttimeoutms": 3_000,
    "sockettimeoutms": 20_000,
    "wtimeoutms": 10_000,
    "appname": "rummelig",
}
"""What the URL may say otherwise."""

ALWAYS: dict[str, Any] = {"w": "majority", "journal": True, "readconcernlevel": "majority", "tz_aware": True}
"""What the port promises: acknowledged is durable, and nothing is read that a failover takes back."""

_TRY_LATER = {
    6, 7, 13, 18, 24, 46, 50, 89, 91, 112, 133, 134, 189, 202, 262, 317, 358, 384,
    9001, 10058, 10107, 11600, 11601, 11602, 13388, 13435, 13436, 14031,
}  # fmt: skip
"""Codes of a server that is stepping down, overloaded, out of disk or out of reach, or does not know us (yet)."""

_BAD_VALUE = {2, 9, 14, 28, 40, 52, 54, 55, 56, 57, 66, 171, 10334, 16819, 17280, 17419, 17420}
"""Codes of values, paths and sizes that MongoDB refuses."""


class _PlainInt(TypeDecoder):
    """Integers of 64 bits come back as int, as those of 32 bits do."""

    bson_type = Int64

    def transform_bson(self, value: int) -> int:
        return int(value)


CODEC: CodecOptions[Document] = CodecOptions(tz_aware=True, tzinfo=UTC, type_registry=TypeRegistry([_PlainInt()]))


def connect(url: str) -> "AsyncIOMotorClient[Document]":
    """A client; it connects by itself when first used, and again after each failure."""
    given = {name.lower() for name, _ in parse_qsl(urlsplit(url).query)}
    options = {name: value for name, value in DEFAULTS.items() if name not in given}
    return AsyncIOMotorClient(url, **options, **ALWAYS)


def database_of(url: str) -> str:
    """The database that the URL names."""
    if name := urlsplit(url).path.strip("/"):
        return name
    raise ValueError("a mongodb:// URL ends with the database: mongodb://<host>/<database>")


@contextmanager
def answers(collection: str) -> Iterator[None]:
    """What goes wrong inside comes out as one of the port's errors."""
    try:
        yield
    except DuplicateKeyError as taken:
        raise Duplicate(collection, taken_index(str(taken))) from taken
    except (DocumentTooLarge, BSONError, OverflowError) as bad:
        raise BadValue(f"{collection}: {bad}") from bad
    except (ConnectionFailure, WriteConcernError, InvalidOperation) as away:
        raise Unavailable(f"{collection}: {away}") from away
    except OperationFailure as failed:
        raise meaning(failed.code)(f"{collection}: {failed}") from failed
    except PyMongoError as unknown:
        raise StoreError(f"{collection}: {unknown}") from unknown


def meaning(code: int | None) -> type[StoreError]:
    """The error that a server's code stands for."""
    if code in _TRY_LATER:
        return Unavailable
    return BadValue if code in _BAD_VALUE else StoreError


def taken_index(message: str) -> str:
    """The fields of the unique index that an E11000 names."""
    found = re.search(r"index: (\S+)", message)
    name = found[1].rstrip("!,") if found else "?"
    return "_id" if name == "_id_" else name
