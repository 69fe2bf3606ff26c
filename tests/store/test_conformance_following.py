"""What follows from a write: with it, after it, in order."""

import asyncio

import pytest

from shared.store.errors import BadValue, Duplicate, Stale
from shared.store.port import Follow, Put, Store
from tests.store.data import OTHERS, THINGS, ids, thing


async def test_what_follows_from_a_write_is_written_with_it(store: Store) -> None:
    await store.insert(OTHERS, thing("old", version=7))
    follow = [
        Follow(THINGS, [Put("t", {"version": 1, "rank": 3})]),
        Follow(OTHERS, [Put("old", {"version": 5}), Put("new", {"version": 1})]),
    ]
    await store.insert(THINGS, thing("a"), follow=follow)
    assert await store.get(THINGS, "t") == thing("t", rank=3)
    assert ids(await store.find(THINGS, {"rank": 3})) == ["t"]
    assert await store.get_many(OTHERS, ["old", "new"]) == {"old": thing("old", version=7), "new": thing("new")}
    later = [Follow(OTHERS, [Put("new", {"version": 2}), Put("newer", {"version": 1})])]
    await store.save(THINGS, "a", {"version": 2}, version=1, push={}, follow=later)
    assert await store.get_many(OTHERS, ["new", "newer"]) == {"new": thing("new", version=2), "newer": thing("newer")}


async def test_of_a_write_that_takes_no_effect_nothing_follows(store: Store) -> None:
    await store.insert(THINGS, thing("a"))
    follow = [Follow(OTHERS, [Put("x", {"version": 1})])]
    with pytest.raises(Duplicate):
        await store.insert(THINGS, thing("a"), follow=follow)
    with pytest.raises(Stale):
        await store.save(THINGS, "a", {"version": 9}, version=8, push={}, follow=follow)
    with pytest.raises(BadValue):
        await store.save(THINGS, "a", {"version": 2, "n": 2**70}, version=1, push={}, follow=follow)
    assert await store.get(OTHERS, "x") is None


async def test_what_cannot_be_written_keeps_back_what_follows_it(store: Store) -> None:
    """The inbox entry comes last: it must not know a message whose documents are not there."""
    await store.insert(THINGS, thing("a"))
    follow = [
        Follow(THINGS, [Put("huge", {"version": 1, "x": "x" * (17 << 20)})]),
        Follow(OTHERS, [Put("last", {"version": 1})]),
    ]
    with pytest.raises(BadValue):
        await store.save(THINGS, "a", {"version": 2}, version=1, push={}, follow=follow)
    await asyncio.gather(*(store.put(OTHERS, [Put(f"{n}", {"version": 1})]) for n in range(3)))  # behind whatever went
    assert await store.get(OTHERS, "last") is None
