"""Files: whole, by name, replaced at once."""

import asyncio
from datetime import UTC, datetime

from shared.store.port import Store

LARGE = bytes(range(256)) * 20_000  # 5 MB: several chunks


async def test_a_file_comes_back_whole_with_its_metadata(store: Store) -> None:
    metadata = {"type": "application/pdf", "at": datetime(2026, 11, 23, tzinfo=UTC), "pages": [1, 2]}
    await store.write_file("minutes/referat.pdf", LARGE, metadata)
    assert await store.read_file("minutes/referat.pdf") == (LARGE, metadata)


async def test_an_empty_file_is_a_file(store: Store) -> None:
    await store.write_file("empty", b"", {})
    assert await store.read_file("empty") == (b"", {})


async def test_a_name_that_is_not_there_is_none(store: Store) -> None:
    assert await store.read_file("nothing") is None
    assert await store.delete_file("nothing") is False


async def test_odd_names_are_names(store: Store) -> None:
    names = ["", "a/b", "a", "Ærø 😀", "a\0b", "$x", "../../etc/passwd"]
    for name in names:
        await store.write_file(name, name.encode(), {"name": name})
    for name in names:
        assert await store.read_file(name) == (name.encode(), {"name": name})


async def test_a_file_is_replaced_by_a_shorter_one(store: Store) -> None:
    await store.write_file("a", LARGE, {"version": 1})
    await store.write_file("a", b"short", {"version": 2})
    assert await store.read_file("a") == (b"short", {"version": 2})


async def test_a_deleted_file_is_gone(store: Store) -> None:
    await store.write_file("a", b"x", {})
    assert await store.delete_file("a") is True
    assert await store.read_file("a") is None
    assert await store.delete_file("a") is False


async def test_who_reads_while_others_replace_sees_one_of_them_whole(store: Store) -> None:
    contents = [bytes([n]) * 2_500_000 for n in range(4)]
    await store.write_file("a", contents[0], {"n": 0})

    async def write(n: int) -> None:
        await store.write_file("a", contents[n], {"n": n})

    async def read() -> None:
        for _ in range(5):
            found = await store.read_file("a")
            assert found is not None
            content, metadata = found
            assert content == contents[metadata["n"]]

    await asyncio.gather(read(), *(write(n) for n in (1, 2, 3)), read())
    found = await store.read_file("a")
    assert found is not None
    assert found[0] == contents[found[1]["n"]]
