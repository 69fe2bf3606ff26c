"""Every store sorts alike, across types, and pages give each document once."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.store.errors import BadValue
from shared.store.port import Between, Document, In, Store
from tests.store.data import THINGS, ids, thing

MIXED: tuple[Any, ...] = (
    None,
    -math.inf,
    -(2**63),
    -1.5,
    -1,
    0,
    0.5,
    1,
    2**53,
    2**53 + 1,
    float(2**53 + 2),
    2**63 - 1,
    "",
    "\0",
    "A",
    "a",
    "a\0",
    "aa",
    "z",
    "ß",
    "é",
    "\uffff",
    "😀",
    b"",
    b"\0",
    b"a",
    b"\xff",
    False,
    True,
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    datetime(2026, 11, 23, tzinfo=UTC),
)
"""In MongoDB's order."""


@pytest.fixture
async def mixed(store: Store) -> Store:
    documents = [thing(f"{place:02}", group="m", rank=value) for place, value in enumerate(MIXED)]
    await store.insert_many(THINGS, documents[::-1])
    return store


@pytest.mark.parametrize("where", [{}, {"group": "m"}])
async def test_types_are_ordered_as_mongodb_orders_them(mixed: Store, where: dict[str, Any]) -> None:
    everything = [f"{place:02}" for place in range(len(MIXED))]
    assert ids(await mixed.find(THINGS, where, order="rank")) == everything
    assert ids(await mixed.find(THINGS, where, order="-rank")) == everything[::-1]


@pytest.mark.parametrize("order", ["rank", "-rank"])
@pytest.mark.parametrize("size", [1, 5])
async def test_pages_over_mixed_types_give_each_once(mixed: Store, order: str, size: int) -> None:
    assert await _pages(mixed, {"group": "m"}, order, size) == ids(await mixed.find(THINGS, {}, order=order))


async def test_each_value_equals_itself_alone(mixed: Store) -> None:
    for value in MIXED:
        assert [d["rank"] for d in await mixed.find(THINGS, {"rank": value})] == [value]


async def test_a_range_stays_within_its_type(mixed: Store) -> None:
    async def count(**bounds: Any) -> int:
        return await mixed.count(THINGS, {"rank": Between(**bounds)})

    assert await count(at_least=0) == 7
    assert await count(above="é") == 2
    assert await count(below="a") == 3
    assert await count(at_most=b"a") == 3
    assert await count(at_least=False) == 2
    assert await count(below=datetime(2000, 1, 1, tzinfo=UTC)) == 2


async def test_bytes_are_ordered_by_length_first(store: Store, server_kind: str) -> None:
    if server_kind == "mongoeco":
        pytest.skip("mongoeco orders bytes as strings")
    await store.insert_many(THINGS, [thing(str(n), rank=v) for n, v in enumerate([b"z", b"aa", b"zz", b"aaa"])])
    assert ids(await store.find(THINGS, {}, order="rank")) == list("0123")


async def test_missing_and_null_are_the_same_place(store: Store) -> None:
    await store.insert_many(THINGS, [thing("c", rank=None), thing("a", rank=1), thing("b"), thing("d", rank=0)])
    assert await _pages(store, {}, "rank", 1) == ["b", "c", "d", "a"]
    assert await _pages(store, {}, "-rank", 1) == ["a", "d", "c", "b"]


@pytest.mark.parametrize("order", [None, "_id", "-_id", "rank", "-rank"])
@pytest.mark.parametrize("size", [1, 3, 7])
async def test_pages_with_many_ties_give_each_once(store: Store, order: str | None, size: int) -> None:
    documents = [thing(f"{n:02}", group="g", rank=n // 8) for n in range(24)] + [thing("other", group="h", rank=1)]
    await store.insert_many(THINGS, documents)
    expected = ids(documents[:24])
    if (order or "").startswith("-"):
        expected.reverse()
    assert await _pages(store, {"group": "g"}, order, size) == expected


async def test_ids_are_ordered_by_their_utf8_bytes(store: Store) -> None:
    odd = ["", "\0", "A", "a", "a\0", "aa", "ß", "\uffff", "😀"]
    await store.insert_many(THINGS, [thing(text, group="g", rank=1) for text in odd[::-1]])
    assert await _pages(store, {}, None, 2) == odd
    assert await _pages(store, {"group": "g"}, "rank", 2) == odd
    assert await _pages(store, {"group": "g"}, "-rank", 2) == odd[::-1]


async def test_several_groups_are_merged_into_one_order(store: Store) -> None:
    await store.insert_many(THINGS, [thing(f"{n:02}", group=f"g{n % 3}", rank=n // 2) for n in range(20)])
    where = {"group": In(["g0", "g2", "g0", None])}
    expected = [f"{n:02}" for n in range(20) if n % 3 != 1]
    assert await _pages(store, where, "rank", 3) == expected
    assert await _pages(store, where, "-rank", 3) == expected[::-1]
    assert await _pages(store, where, None, 3) == expected


async def test_a_range_is_paged_in_its_order_and_by_id(store: Store) -> None:
    await store.insert_many(THINGS, [thing(f"{n:02}", group="g", rank=-n) for n in range(20)])
    where = {"group": "g", "rank": Between(at_least=-15, below=-3)}
    by_id = [f"{n:02}" for n in range(4, 16)]
    assert await _pages(store, where, "rank", 5) == by_id[::-1]
    assert await _pages(store, where, "-rank", 5) == by_id
    assert await _pages(store, where, None, 5) == by_id


async def test_documents_got_by_id_are_ordered_too(store: Store) -> None:
    await store.insert_many(THINGS, [thing("abcd"[n], rank=rank) for n, rank in enumerate([3, 1, None, 2])])
    where = {"_id": In(list("abcd"))}
    assert await _pages(store, where, "rank", 1) == list("cbda")
    assert await _pages(store, where, "-rank", 3) == list("adbc")


async def test_not_a_number_comes_back_and_stands_before_all_numbers(store: Store, server_kind: str) -> None:
    await store.insert_many(THINGS, [thing("n", rank=math.nan), thing("a", rank=-math.inf), thing("b", rank=None)])
    found = await store.get(THINGS, "n")
    assert found is not None
    assert math.isnan(found["rank"])
    assert ids(await store.find(THINGS, {}, order="rank")) == list("bna")
    if server_kind in ("sqlite", "mongo"):  # the stand-ins take NaN for a number like others, or for none
        assert await _pages(store, {}, "rank", 1) == list("bna")
        assert await _pages(store, {}, "-rank", 1) == list("anb")
        assert ids(await store.find(THINGS, {"rank": Between(below=0)})) == ["a"]
        assert ids(await store.find(THINGS, {"rank": math.nan})) == ["n"]


async def test_a_page_after_nothing_that_could_be_placed_is_refused(store: Store) -> None:
    with pytest.raises(BadValue):
        await store.find(THINGS, {}, after={"rank": 1})
    with pytest.raises(BadValue):
        await store.find(THINGS, {}, order="rank", after={"_id": "a", "rank": [1]})


async def _pages(store: Store, where: dict[str, Any], order: str | None, size: int) -> list[str]:
    found: list[Document] = []
    while page := await store.find(THINGS, where, order=order, after=found[-1] if found else None, limit=size):
        assert len(page) <= size
        found += page
        assert len(found) < 1000
    return ids(found)
