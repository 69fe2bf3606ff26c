"""A snapshot: all that stood in the store, of one moment where the store can give that."""

from shared.store.port import Store
from tests.store.data import ODD_STRINGS, OTHERS, THINGS, ids, thing


async def test_a_snapshot_has_every_document_in_order_of_ids_and_every_file(store: Store) -> None:
    names = sorted(
        {text[:100] for text in ODD_STRINGS if "\0" not in text} | {f"n{number:03}" for number in range(210)}
    )
    await store.insert_many(OTHERS, [thing(name, text=name) for name in names])
    await store.insert(THINGS, thing("a", tags=["x"], place={"city": "Ry"}))
    await store.write_file("b.pdf", b"\0" * 3_000_000, {"n": 2})
    await store.write_file("a.pdf", b"", {"n": 1})
    async with store.snapshot() as snapshot:
        others = [document async for document in snapshot.everything(OTHERS)]
        assert ids(others) == [d["_id"] async for d in store.everything(OTHERS)]
        assert {d["_id"]: d for d in others} == await store.get_many(OTHERS, names)
        assert [d async for d in snapshot.everything(THINGS)] == [await store.get(THINGS, "a")]
        files = [file async for file in snapshot.files()]
    assert files == [("a.pdf", b"", {"n": 1}), ("b.pdf", b"\0" * 3_000_000, {"n": 2})]


async def test_what_is_written_meanwhile_is_not_in_it(store: Store) -> None:
    await store.insert_many(OTHERS, [thing(f"{n:04}", n=n) for n in range(230)])
    async with store.snapshot() as snapshot:
        if not snapshot.single_moment:
            return  # it says so, and the backup refuses
        read = snapshot.everything(OTHERS)
        first = await anext(read)
        await store.insert(OTHERS, thing("9999"))
        await store.insert(OTHERS, thing("0000a"))
        await store.save(OTHERS, "0200", {"version": 2, "n": -1}, version=1, push={})
        await store.delete(OTHERS, {"_id": "0150"})
        await store.insert(THINGS, thing("late"))
        found = [first, *[document async for document in read]]
        assert [d["n"] for d in found] == list(range(230))
        assert [d async for d in snapshot.everything(THINGS)] == []


async def test_an_empty_store_has_an_empty_one(store: Store) -> None:
    async with store.snapshot() as snapshot:
        assert [d async for d in snapshot.everything(THINGS)] == []
        assert [file async for file in snapshot.files()] == []
