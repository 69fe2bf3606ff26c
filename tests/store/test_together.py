"""What is asked of a store at the same time is asked together, and answered as if each had asked alone."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from shared.store.errors import BadValue, Unavailable
from shared.store.port import Put, Store
from shared.store.together import FEW, Together
from shared.store.work import Written
from tests.store.data import THINGS, thing
from tests.support.stores import fresh_store


async def test_each_gets_its_own_document_or_none(store: Store) -> None:
    await store.insert_many(THINGS, [thing(f"{n}", number=n) for n in range(50)])
    found = await asyncio.gather(*(store.get(THINGS, f"{n % 60}") for n in range(120)))
    assert found == [thing(f"{n % 60}", number=n % 60) if n % 60 < 50 else None for n in range(120)]


async def test_who_changes_what_he_got_changes_it_for_himself(store: Store) -> None:
    await store.insert(THINGS, thing("a", deep={"list": [1]}))
    mine, yours = await asyncio.gather(store.get(THINGS, "a"), store.get(THINGS, "a"))
    assert mine is not None
    mine["deep"]["list"].append(2)
    assert yours == thing("a", deep={"list": [1]})


async def test_of_several_inserts_of_one_id_at_once_the_first_is_in(store: Store) -> None:
    await store.insert(THINGS, thing("old"))
    asked = ["a", "b", "a", "old", "a", "c"]
    left_out = await asyncio.gather(*(store.insert_many(THINGS, [thing(i, at=n)]) for n, i in enumerate(asked)))
    assert left_out == [[], [], ["a"], ["old"], ["a"], []]
    assert await store.get(THINGS, "a") == thing("a", at=0)


async def test_what_one_cannot_keep_is_no_fault_of_those_beside_it(store: Store) -> None:
    huge = thing("huge", text="x" * (17 << 20))
    beside = [store.insert_many(THINGS, [thing(f"{n}")]) for n in range(5)]
    outcomes = await asyncio.gather(*beside, store.insert_many(THINGS, [huge]), return_exceptions=True)
    assert outcomes[:5] == [[]] * 5
    assert isinstance(outcomes[5], BadValue)
    assert await store.count(THINGS, {}) == 5


async def test_of_puts_at_once_the_highest_version_stays(store: Store) -> None:
    order = [3, 1, 5, 2, 4, 5]
    took = await asyncio.gather(*(store.put(THINGS, [Put("a", {"version": v, "was": v})]) for v in order))
    assert [each for (each,) in took].count(True) >= 1
    assert await store.get(THINGS, "a") == thing("a", version=5, was=5)


async def test_lists_asked_at_once_are_answered_each_for_itself(store: Store) -> None:
    await store.insert(THINGS, thing("old", version=7))
    inserted = await asyncio.gather(*(store.insert_many(THINGS, list(map(thing, ids))) for ids in ("ab", "bc", "da")))
    assert inserted == [[], ["b"], ["a"]]
    found = await asyncio.gather(*(store.get_many(THINGS, ids) for ids in ("abx", "", "bd")))
    assert found == [{each: thing(each) for each in ids} for ids in ("ab", "", "bd")]
    found[0]["b"]["mine"] = True
    assert found[2]["b"] == thing("b")
    puts = [[Put("old", {"version": 6}), Put("a", {"version": 2})], [], [Put("new", {"version": 1})]]
    assert await asyncio.gather(*(store.put(THINGS, each) for each in puts)) == [[False, True], [], [True]]


async def test_lists_asked_at_once_go_together_and_a_long_one_by_itself(tmp_path: Path, trips: Counter[str]) -> None:
    async with fresh_store(f"sqlite:///{tmp_path}/s.db", [THINGS]) as store:
        trips.clear()
        lists = [[Put(f"{n}-{m}", {"version": 1}) for m in range(3)] for n in range(20)]
        await asyncio.gather(*(store.put(THINGS, each) for each in lists))
        assert trips["_write"] == 1
        long = [Put(f"long-{m}", {"version": 1}) for m in range(FEW + 1)]
        await asyncio.gather(store.put(THINGS, long), *(store.put(THINGS, each) for each in lists))
        assert trips["_write"] == 3


def test_what_was_written_lately_is_known_and_what_was_long_ago_is_written_again() -> None:
    written, entries = Written(), [{"id": f"{n}"} for n in range(Written.MOST + 2)]
    written.add(entries)
    assert written.missing([*entries[:3], {"id": "other"}]) == [*entries[:2], {"id": "other"}]


async def test_a_closed_store_is_unavailable_for_each(store: Store) -> None:
    await store.close()
    outcomes = await asyncio.gather(*(store.get(THINGS, f"{n}") for n in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3


class Asked:
    """Doubles numbers, one question at a time, and keeps what each question was."""

    def __init__(self) -> None:
        self.questions: list[list[int]] = []
        self.gate = asyncio.Event()

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.questions.append(list(numbers))
        await self.gate.wait()
        if -1 in numbers:
            raise ValueError("below nothing")
        return [2 * number for number in numbers]


async def test_what_comes_while_one_is_under_way_goes_together_with_the_next() -> None:
    asked = Asked()
    together = Together[int, int](asked)
    first = asyncio.create_task(together(1))
    while not asked.questions:
        await asyncio.sleep(0)
    others = [asyncio.create_task(together(number)) for number in range(2, 600)]
    await asyncio.sleep(0)
    asked.gate.set()
    assert await asyncio.gather(first, *others) == [2 * number for number in range(1, 600)]
    assert [len(question) for question in asked.questions] == [1, 500, 98]


async def test_a_question_that_fails_on_one_fails_for_that_one() -> None:
    asked = Asked()
    asked.gate.set()
    together = Together[int, int](asked)
    outcomes = await asyncio.gather(*(together(number) for number in (12, -1, 14)), return_exceptions=True)
    assert outcomes[0::2] == [24, 28]
    assert isinstance(outcomes[1], ValueError)


async def test_who_no_longer_waits_holds_up_nobody() -> None:
    asked = Asked()
    together = Together[int, int](asked)
    gone, stays = (asyncio.create_task(together(number)) for number in (1, 2))
    while not asked.questions:
        await asyncio.sleep(0)
    gone.cancel()
    asked.gate.set()
    assert await stays == 4
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await together(3) == 6


async def test_who_goes_while_each_is_asked_by_itself_holds_up_nobody() -> None:
    gate, alone = asyncio.Event(), asyncio.Event()

    async def ask(numbers: Sequence[int]) -> list[int]:
        if len(numbers) == 1:
            alone.set()
            await gate.wait()
        elif -1 in numbers:
            raise ValueError("below nothing")
        return [2 * number for number in numbers]

    together = Together[int, int](ask)
    gone, stays, wrong = (asyncio.create_task(together(number)) for number in (1, 2, -1))
    await alone.wait()  # all together failed, and now the first is asked by itself
    gone.cancel()
    gate.set()
    async with asyncio.timeout(5):
        assert await stays == 4
        assert await wrong == -2
