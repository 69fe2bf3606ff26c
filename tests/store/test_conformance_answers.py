"""Every store gives these answers."""

import pytest

from shared.store.errors import Undeclared
from shared.store.port import Between, Collection, Has, In, Store
from tests.store.data import OTHERS, THINGS, ids, thing


async def test_what_was_inserted_comes_back_by_id(store: Store) -> None:
    await store.insert(THINGS, thing("a", name="Åse"))
    assert await store.get(THINGS, "a") == {"_id": "a", "version": 1, "name": "Åse"}


async def test_an_unknown_id_is_none(store: Store) -> None:
    assert await store.get(THINGS, "nobody") is None


async def test_collections_are_apart(store: Store) -> None:
    await store.insert(THINGS, thing("a"))
    await store.insert(OTHERS, thing("a", other=True))
    assert await store.get(OTHERS, "a") == thing("a", other=True)
    assert await store.count(THINGS, {}) == 1


async def test_many_are_got_by_their_ids_and_unknown_ones_are_left_out(store: Store) -> None:
    await store.insert_many(THINGS, [thing(name) for name in "abc"])
    assert await store.get_many(THINGS, ["c", "x", "a", "a"]) == {"a": thing("a"), "c": thing("c")}
    assert await store.get_many(THINGS, []) == {}


async def test_what_is_changed_by_the_caller_later_is_not_changed_in_the_store(store: Store) -> None:
    document = thing("a", list=[1])
    await store.insert(THINGS, document)
    document["list"].append(2)
    found = await store.get(THINGS, "a")
    assert found is not None
    found["list"].append(3)
    assert await store.get(THINGS, "a") == thing("a", list=[1])


@pytest.fixture
async def filled(store: Store) -> Store:
    await store.insert_many(
        THINGS,
        [
            thing("a", group="x", rank=1, state="new", tags=["red", "blue"], place={"city": "Aarhus"}),
            thing("b", group="x", rank=2, state="old", tags=["blue"], place={"city": "Ribe"}),
            thing("c", group="x", rank=2.5, state="new", tags=[], offers=[{"cpv": "1"}, {"cpv": "2"}]),
            thing("d", group="y", rank=3, state=None, tags="blue", offers=[{"cpv": "2"}]),
            thing("e", group="y", rank="3"),
        ],
    )
    return store


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, "abcde"),
        ({"_id": "b"}, "b"),
        ({"_id": In(["e", "b", "z"])}, "be"),
        ({"_id": Between(above="b", at_most="d")}, "cd"),
        ({"_id": In(["a", "b"]), "name": None}, "ab"),
        ({"_id": In(["a", "b"]), "rank": Between(at_least=2)}, "b"),
        ({"_id": "a", "tags": Has("red")}, "a"),
        ({"_id": "a", "state": "old"}, ""),
        ({"group": "x"}, "abc"),
        ({"group": "none"}, ""),
        ({"group": In(["x", "y"])}, "abcde"),
        ({"group": In([])}, ""),
        ({"group": "x", "rank": 2}, "b"),
        ({"group": "x", "rank": 2.0}, "b"),
        ({"group": "x", "rank": In([1, 2.5])}, "ac"),
        ({"group": In(["x", "y"]), "rank": Between(at_least=2)}, "bcd"),
        ({"rank": Between(at_least=2)}, "bcd"),
        ({"rank": Between(above=2)}, "cd"),
        ({"rank": Between(at_most=2)}, "ab"),
        ({"rank": Between(below=2)}, "a"),
        ({"rank": Between(above=1, below=3)}, "bc"),
        ({"rank": Between(at_least="")}, "e"),
        ({"rank": Between(below="3")}, ""),
        ({"state": "new"}, "ac"),
        ({"state": None}, "de"),
        ({"state": In(["old", None])}, "bde"),
        ({"tags": Has("blue")}, "abd"),
        ({"tags": "blue"}, "abd"),
        ({"tags": Has("none")}, ""),
        ({"tags": In(["blue", "red"])}, "abd"),
        ({"tags": None}, "e"),
        ({"place.city": "Ribe"}, "b"),
        ({"place.city": None}, "cde"),
        ({"offers.cpv": Has("2")}, "cd"),
        ({"offers.cpv": "1"}, "c"),
    ],
)
async def test_a_query_finds_exactly_what_fits(filled: Store, where: dict[str, object], expected: str) -> None:
    assert ids(await filled.find(THINGS, where)) == list(expected)
    assert await filled.count(THINGS, where) == len(expected)


async def test_a_limit_is_kept_and_none_at_all_finds_nothing(filled: Store) -> None:
    assert ids(await filled.find(THINGS, {}, limit=2)) == ["a", "b"]
    assert await filled.find(THINGS, {}, limit=0) == []


async def test_a_tally_counts_by_value(filled: Store) -> None:
    assert await filled.tally(THINGS, "state", {"group": "x"}) == {"new": 2, "old": 1}
    assert await filled.tally(THINGS, "state", {}) == {"new": 2, "old": 1, None: 2}
    assert await filled.tally(THINGS, "place.city", {"group": "x"}) == {"Aarhus": 1, "Ribe": 1, None: 1}
    assert await filled.tally(THINGS, "state", {"group": "none"}) == {}
    assert await filled.tally(THINGS, "group", {"_id": In(["a", "e"])}) == {"x": 1, "y": 1}


async def test_a_delete_removes_exactly_what_fits(filled: Store) -> None:
    assert await filled.delete(THINGS, {"group": "x", "rank": Between(at_least=2)}) == 2
    assert ids(await filled.find(THINGS, {})) == ["a", "d", "e"]
    assert await filled.find(THINGS, {"state": "old"}) == []
    assert await filled.delete(THINGS, {"_id": "a", "state": "old"}) == 0
    assert await filled.delete(THINGS, {"_id": "a"}) == 1
    assert await filled.delete(THINGS, {}) == 2
    assert await filled.count(THINGS, {}) == 0


async def test_a_deleted_key_is_free_again(store: Store) -> None:
    await store.insert(THINGS, thing("a", email="a@x.example"))
    await store.delete(THINGS, {"_id": "a"})
    await store.insert(THINGS, thing("b", email="a@x.example"))
    assert ids(await store.find(THINGS, {})) == ["b"]


async def test_everything_comes_by_id_over_many_pages(store: Store) -> None:
    numbers = [f"{n:04}" for n in range(450)]
    await store.insert_many(THINGS, [thing(n) for n in reversed(numbers)])
    assert [document["_id"] async for document in store.everything(THINGS)] == numbers


@pytest.mark.parametrize(
    ("where", "order"),
    [
        ({"name": "Åse"}, None),
        ({"name": None}, None),
        ({"seat": 1}, None),
        ({}, "name"),
        ({"state": "new"}, "rank"),
        ({"rank": Between(above=1), "group": Between(above="a")}, None),
        ({"rank": Between(above=1)}, "group"),
    ],
)
async def test_a_query_that_no_index_serves_is_refused(
    store: Store, where: dict[str, object], order: str | None
) -> None:
    with pytest.raises(Undeclared, match="things"):
        await store.find(THINGS, where, order=order)
    if order is None:
        for ask in (store.count, store.delete):
            with pytest.raises(Undeclared):
                await ask(THINGS, where)
        with pytest.raises(Undeclared):
            await store.update(THINGS, where, set={"x": 1})
        with pytest.raises(Undeclared):
            await store.tally(THINGS, "state", where)


async def test_a_collection_that_was_not_opened_is_refused(store: Store) -> None:
    with pytest.raises(Undeclared, match="strangers"):
        await store.insert(Collection("strangers"), thing("a"))


async def test_a_name_is_enough_for_a_collection_that_was_opened(store: Store) -> None:
    await store.insert(Collection("things"), thing("a", state="new"))
    assert ids(await store.find(Collection("things"), {"state": "new"})) == ["a"]


async def test_opening_again_changes_nothing(store: Store) -> None:
    await store.insert(THINGS, thing("a", state="new"))
    await store.open([THINGS])
    assert ids(await store.find(THINGS, {"state": "new"})) == ["a"]


async def test_a_store_that_is_open_answers_a_ping(store: Store) -> None:
    await store.ping()
    await store.ping()
