"""What every store keeps, and what it refuses."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any
from uuid import uuid4

import pytest

from shared.store.errors import BadValue
from shared.store.port import Between, Has, In, Put, Store
from tests.store.data import ODD_STRINGS, THINGS, thing


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    SMALL = 1


KEPT: dict[str, Any] = {
    "null": None,
    "true": True,
    "zero": 0,
    "large": 2**63 - 1,
    "lowest": -(2**63),
    "beyond 32 bits": 2**31,
    "beyond a double": 2**53 + 1,
    "float": 0.1,
    "whole float": 2.0,
    "tiny": 5e-324,
    "empty": "",
    "bytes": b"\0\xff\n",
    "no bytes": b"",
    "date": datetime(2026, 11, 23, 12, 30, 15, 123_000, tzinfo=UTC),
    "old date": datetime(1, 1, 1, tzinfo=UTC),
    "late date": datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    "list": [1, [2, [3, {"four": [4]}]], []],
    "dict": {"a": {"b": {"c": {}}}, "Åse": 1, "with space": 2, "1": 3},
    "in list": [datetime(2026, 1, 1, tzinfo=UTC), b"x", None, True],
    "looks tagged": {"date": 1, "values": ["$date", "$bytes"]},
}


@pytest.mark.parametrize("name", KEPT)
async def test_a_value_comes_back_as_it_was(store: Store, name: str) -> None:
    await store.insert(THINGS, thing("a", value=KEPT[name]))
    found = await store.get(THINGS, "a")
    assert found == thing("a", value=KEPT[name])
    assert repr(found["value"]) == repr(KEPT[name])  # 2.0 is no 2, True is no 1


async def test_odd_strings_come_back_and_are_found(store: Store) -> None:
    await store.insert_many(THINGS, [thing(text, state=text, email=text) for text in ODD_STRINGS])
    for text in ODD_STRINGS:
        assert await store.get(THINGS, text) == thing(text, state=text, email=text)
        assert await store.find(THINGS, {"state": text}) == [thing(text, state=text, email=text)]
    assert await store.tally(THINGS, "state", {}) == dict.fromkeys(ODD_STRINGS, 1)


async def test_times_are_kept_to_the_millisecond_and_given_back_in_utc(store: Store) -> None:
    copenhagen = timezone(timedelta(hours=1))
    await store.insert(THINGS, thing("a", at=datetime(2026, 11, 23, 13, 0, 0, 999_999, tzinfo=copenhagen)))
    found = await store.get(THINGS, "a")
    assert found is not None
    assert found["at"] == datetime(2026, 11, 23, 12, 0, 0, 999_000, tzinfo=UTC)
    assert found["at"].utcoffset() == timedelta(0)


async def test_tuples_and_enums_become_plain(store: Store) -> None:
    await store.insert(THINGS, thing("a", state=Colour.RED, size=Size.SMALL, pair=(1, (2,))))
    found = await store.get(THINGS, "a")
    assert found == thing("a", state="red", size=1, pair=[1, [2]])
    assert type(found["state"]) is str
    assert await store.count(THINGS, {"state": Colour.RED}) == 1


async def test_a_date_is_found_by_any_zone_that_tells_the_same_moment(store: Store) -> None:
    at = datetime(2026, 11, 23, 12, tzinfo=UTC)
    await store.insert(THINGS, thing("a", rank=at))
    elsewhere = at.astimezone(timezone(timedelta(hours=-7))) + timedelta(microseconds=400)
    assert await store.count(THINGS, {"rank": elsewhere}) == 1
    assert await store.count(THINGS, {"rank": Between(at_least=elsewhere, at_most=elsewhere)}) == 1


async def test_what_is_tallied_comes_back_with_its_type(store: Store) -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    await store.insert_many(
        THINGS, [thing(str(n), state=value) for n, value in enumerate([at, at, b"x", 2, 2.0, "2", True])]
    )
    assert await store.tally(THINGS, "state", {}) == {at: 2, b"x": 1, 2: 2, "2": 1, True: 1}


def _deep(levels: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(levels - 1):
        document = {"a": document}
    return document


REFUSED: dict[str, Any] = {
    "a naive datetime": datetime(2026, 1, 1),  # noqa: DTZ001
    "a datetime before year 1 in UTC": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    "an integer beyond 64 bits": 2**63,
    "an integer below 64 bits": -(2**63) - 1,
    "a lone surrogate": "\ud800",
    "a lone surrogate in a list": ["a", "\udfff"],
    "a decimal": Decimal(1),
    "a date": date(2026, 1, 1),
    "a set": {1, 2},
    "a uuid": uuid4(),
    "a complex number": 1j,
    "an object": object(),
    "a key with NUL": {"a\0b": 1},
    "a key with a dollar": {"$set": 1},
    "a nested key with a dollar": [{"a": {"$date": 1}}],
    "a key with a dot": {"a.b": 1},
    "an empty key": {"": 1},
    "a number as key": {1: "a"},
    "a lone surrogate in a key": {"\ud800": 1},
    "a hundred levels and more": _deep(101),
    "more than 16 MB": "x" * (16 * 1024 * 1024),
    "more than 16 MB of bytes": b"x" * (16 * 1024 * 1024),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_value_that_cannot_be_kept_is_refused_by_every_write(store: Store, name: str) -> None:
    value = REFUSED[name]
    await store.insert(THINGS, thing("a"))
    with pytest.raises(BadValue):
        await store.insert(THINGS, thing("b", value=value))
    with pytest.raises(BadValue):
        await store.insert_many(THINGS, [thing("c"), thing("d", value=value)])
    with pytest.raises(BadValue):
        await store.save(THINGS, "a", {"version": 2, "value": value}, version=1, push={})
    with pytest.raises(BadValue):
        await store.save(THINGS, "a", {"version": 2}, version=1, push={"outbox": [{"id": "1", "value": value}]})
    with pytest.raises(BadValue):
        await store.put(THINGS, [Put("e", {"version": 1}), Put("f", {"version": 1, "value": value})])
    with pytest.raises(BadValue):
        await store.update(THINGS, {"_id": "a"}, set={"value": value})
    with pytest.raises(BadValue):
        await store.write_file("f", b"", {"value": value})
    assert [d async for d in store.everything(THINGS)] == [thing("a")]


@pytest.mark.parametrize("value", [datetime(2026, 1, 1), 2**63, "\ud800", [1], {"a": 1}, Decimal(1)])  # noqa: DTZ001
async def test_a_value_that_cannot_be_kept_cannot_be_asked_for(store: Store, value: Any) -> None:
    for condition in (value, In(["x", value]), Has(value), Between(at_least=value)):
        with pytest.raises(BadValue, match="rank"):
            await store.find(THINGS, {"rank": condition})


@pytest.mark.parametrize("bounds", [Between(), Between(at_least=1, below="x"), Between(above=float("nan")), Has(None)])
async def test_bounds_that_say_nothing_are_refused(store: Store, bounds: Any) -> None:
    with pytest.raises(BadValue):
        await store.find(THINGS, {"rank": bounds})


@pytest.mark.parametrize("id", [None, 1, b"a", "\ud800", ["a"]])
async def test_an_id_is_a_string(store: Store, id: Any) -> None:
    with pytest.raises(BadValue):
        await store.insert(THINGS, {"_id": id, "version": 1})
    with pytest.raises(BadValue):
        await store.find(THINGS, {"_id": id})
    with pytest.raises(BadValue):
        await store.get(THINGS, id)


async def test_a_document_of_almost_16_mb_is_kept(store: Store) -> None:
    overhead = len(b"\0\0\0\0\x02_id\0\x02\0\0\0a\0\x10version\0\0\0\0\0\x02text\0\0\0\0\0\0\0")
    text = "x" * (16 * 1024 * 1024 - overhead)
    await store.insert(THINGS, thing("a", text=text))
    assert await store.get(THINGS, "a") == thing("a", text=text)
    with pytest.raises(BadValue, match="16777216"):
        await store.insert(THINGS, thing("b", text=text + "x"))


async def test_a_document_cannot_grow_beyond_16_mb(store: Store, server_kind: str) -> None:
    if server_kind == "mongoeco":
        pytest.skip("mongoeco sets no limit")
    await store.insert(THINGS, thing("a", text="x" * (16 * 1024 * 1024 - 1000)))
    with pytest.raises(BadValue):
        await store.save(THINGS, "a", {"version": 2}, version=1, push={"outbox": [{"id": "1", "text": "x" * 2000}]})
    with pytest.raises(BadValue):
        await store.update(THINGS, {"_id": "a"}, set={"more": "x" * 2000})
    assert await store.count(THINGS, {"_id": "a", "version": 1}) == 1
