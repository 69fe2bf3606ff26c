"""Collections and documents of the conformance suite."""

from typing import Any

from shared.store.port import Collection, Document, Index

THINGS = Collection(
    "things",
    (
        Index(("email",), unique=True),
        Index(("event", "seat"), unique=True),
        Index(("event", "due")),
        Index(("group", "rank")),
        Index(("rank",)),
        Index(("state",)),
        Index(("tags",)),
        Index(("place.city",)),
        Index(("offers.cpv",)),
    ),
)
OTHERS = Collection("others")

ODD_STRINGS = (
    "",
    " ",
    "\0",
    "a\0b",
    "ß",
    "ẞ",
    "Åse Ærø",
    "e\u0301",  # the combining form of é
    "é",
    "😀🇩🇰",
    "\uffff",
    "$set",
    "$date",
    "a.b",
    "'; DROP TABLE things; --",
    '"quoted"',
    '{"$date":0}',
    "line\r\nbreak",
    "x" * 100_000,
)


def thing(id: str, **fields: Any) -> Document:
    return {"_id": id, "version": 1, **fields}


def ids(documents: list[Document]) -> list[str]:
    return [document["_id"] for document in documents]
