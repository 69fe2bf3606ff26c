"""Messages that wait for one key, handled together: each ends as if it had been handled alone, in its turn."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from shared.contracts.base import Envelope
from shared.contracts.problems import Conflict, Invalid, NotFound
from shared.messaging.executor import Executor
from shared.messaging.gathering import MOST, Decide, Gathered
from shared.messaging.unit import Outcome
from shared.store.errors import Unavailable
from shared.store.port import Collection, Document, Trim
from shared.store.work import INBOX, OWN_COLLECTIONS, Pending, Work
from tests.messaging.probe import COUNTERS, Add, Added, Counter, Fail, Total
from tests.support.stores import fresh_store
from tests.support.watched import Counting, Dying, Killed


@Gathered
async def add_all(commands: Sequence[Add], work: Work) -> Decide[Total]:
    """Adds one after another. Refuses 13, breaks at 66, and knows no counter named `nobody`."""
    if commands[0].counter == "nobody":
        raise NotFound("there is no such counter")
    counter = await work.get(COUNTERS, commands[0].counter) or Counter(id=commands[0].counter)

    async def decide(command: Add, work: Work) -> Total:
        nonlocal counter
        if command.amount == 13:
            raise Conflict("thirteen is not added here")
        if command.amount == 66:
            raise RuntimeError("cannot count so far")
        if command.amount:
            changed = counter.model_copy(update={"total": counter.total + command.amount})
            work.save(COUNTERS, changed, [Added(counter=changed.id, total=changed.total)])
            counter = changed.model_copy(update={"version": changed.version + 1})
        return Total(total=counter.total)

    return decide


def message(id: str, amount: int = 1, counter: str = "a") -> Envelope:
    return Envelope(id=id, source="/test", type=Add.type(), data={"counter": counter, "amount": amount})


@pytest.fixture
async def store(tmp_path) -> AsyncIterator[Any]:
    async with fresh_store(f"sqlite:///{tmp_path}/store.db", [*OWN_COLLECTIONS, COUNTERS.collection]) as found:
        yield found


class Rig:
    """An executor over a store that counts, and what it left to relay."""

    def __init__(self, store: Any) -> None:
        self.store = Counting(store)
        self.owed: list[Pending] = []
        self.executor = Executor(self.store, "probe", self.owed.extend)

    async def add(self, *messages: Envelope) -> list[Outcome | BaseException]:
        """All at once."""
        running = (self.executor.run(each, Add, add_all) for each in messages)
        return await asyncio.gather(*running, return_exceptions=True)


def totals(outcomes: Sequence[Any]) -> list[Any]:
    return [each.reply.result and each.reply.result["total"] for each in outcomes]


async def test_who_waits_at_the_same_time_is_written_at_once_and_in_order(store):
    rig = Rig(store)
    outcomes = await rig.add(*(message(f"m{n}") for n in range(20)))
    assert totals(outcomes) == list(range(1, 21))
    assert rig.store.calls["insert"] + rig.store.calls["save"] == 1
    document = await store.get(COUNTERS.collection, "a")
    assert (document["version"], document["total"]) == (20, 20)
    events = [event for pending in rig.owed for event in pending.outbox]
    assert [(e["causationid"], e["aggregateversion"]) for e in events] == [(f"m{n}", n + 1) for n in range(20)]
    assert totals(await rig.add(*(message(f"m{n}") for n in range(20)))) == list(range(1, 21))
    assert (await store.get(COUNTERS.collection, "a"))["total"] == 20


async def test_so_many_and_no_more_are_written_at_once(store):
    rig = Rig(store)
    assert totals(await rig.add(*(message(f"m{n}") for n in range(MOST + 1)))) == list(range(1, MOST + 2))
    assert rig.store.calls["insert"] + rig.store.calls["save"] == 2


async def test_keys_go_on_side_by_side(store):
    outcomes = await Rig(store).add(*(message(f"m{n}", counter=f"c{n % 3}") for n in range(9)))
    assert totals(outcomes) == [1, 1, 1, 2, 2, 2, 3, 3, 3]


async def test_each_is_told_its_own_fault(store):
    rig = Rig(store)
    wrong = message("wrong").model_copy(update={"data": {"counter": "a", "amount": "much"}})
    outcomes: list[Any] = await rig.add(
        message("m1"), message("no", 13), wrong, message("bad", 66), message("huge", 10**30), message("m2")
    )
    assert totals([outcomes[0], outcomes[5]]) == [1, 2]
    assert outcomes[1].reply.problem.status == 409
    assert isinstance(outcomes[2], Invalid)
    assert isinstance(outcomes[3], RuntimeError)
    assert isinstance(outcomes[4], Invalid)
    assert (await store.get(COUNTERS.collection, "a"))["total"] == 2


async def test_what_refuses_all_is_told_to_each_and_remembered(store):
    rig = Rig(store)
    outcomes: list[Any] = await rig.add(message("m1", counter="nobody"), message("m2", counter="nobody"))
    assert [outcome.reply.problem.status for outcome in outcomes] == [404, 404]
    (again,) = await rig.add(message("m2", counter="nobody"))
    assert isinstance(again, Outcome)
    assert again.duplicate


async def test_one_id_several_times_at_once_has_one_effect(store):
    rig = Rig(store)
    outcomes: list[Any] = await rig.add(message("m1"), message("m1"), message("m2"), message("m1"), message("m1", 5))
    assert totals(outcomes[:4]) == [1, 1, 2, 1]
    assert [outcome.duplicate for outcome in outcomes] == [False, True, False, True, True]
    assert outcomes[4].reply.problem.status == 409
    assert (await store.get(COUNTERS.collection, "a"))["total"] == 2


async def test_a_write_whose_answer_is_lost_has_one_effect_for_each(store):
    outcomes: list[Any] = await Rig(Dying(store, at=1, after=True)).add(*(message(f"m{n}") for n in range(3)))
    assert totals(outcomes) == [1, 2, 3]
    assert all(outcome.duplicate for outcome in outcomes)
    again: list[Any] = await Rig(store).add(*(message(f"m{n}") for n in range(5)))
    assert [outcome.duplicate for outcome in again] == [True, True, True, False, False]
    assert (await store.get(COUNTERS.collection, "a"))["total"] == 5


async def test_what_was_written_before_a_crash_is_answered_from_the_document(store):
    (killed,) = await Rig(Dying(store, at=1, after=True)).add(message("m0"))
    assert isinstance(killed, Killed)
    outcomes: list[Any] = await Rig(store).add(message("m1"), message("m0"), message("m2"))
    assert totals(outcomes) == [2, 1, 3]
    assert [outcome.duplicate for outcome in outcomes] == [False, True, False]


async def test_two_processes_lose_races_and_nothing_else(store):
    here, there = Rig(store), Rig(store)
    outcomes = await asyncio.gather(
        here.add(*(message(f"h{n}") for n in range(30))), there.add(*(message(f"t{n}") for n in range(30)))
    )
    assert sorted(totals([*outcomes[0], *outcomes[1]])) == list(range(1, 61))


async def test_another_command_of_the_key_keeps_its_place_between_them(store):
    rig = Rig(store)
    seen: list[int] = []

    async def look(_: Fail, work: Work) -> None:
        counter = await work.get(COUNTERS, "a")
        seen.append(counter.total if counter else 0)

    looking = Envelope(id="look", source="/test", type=Fail.type(), subject="a", data={"label": "a"})
    adding = [rig.executor.run(message(f"m{n}"), Add, add_all) for n in range(4)]
    await asyncio.gather(*adding[:2], rig.executor.run(looking, Fail, look), *adding[2:])
    assert seen == [2]
    assert (await store.get(COUNTERS.collection, "a"))["total"] == 4


async def test_one_that_gives_way_is_handled_by_itself_and_keeps_its_place(store):
    rig = Rig(store)
    outcomes = await asyncio.gather(
        rig.executor.run(message("m1"), Add, add_all),
        rig.executor.run(message("m2"), Add, add_all, pause=0.05),
        rig.executor.run(message("m3"), Add, add_all),
    )
    assert totals(outcomes) == [1, 2, 3]
    assert rig.store.calls["insert"] + rig.store.calls["save"] == 3


async def test_who_no_longer_waits_takes_nobody_along(store):
    rig = Rig(store)
    first, gone, last = (asyncio.create_task(rig.executor.run(message(f"m{n}"), Add, add_all)) for n in range(3))
    await asyncio.sleep(0)
    first.cancel()
    gone.cancel()
    assert (await last).reply.ok
    assert totals(await rig.add(message("m0"), message("m1"), message("m3")))[-1] == 4
    assert (await store.get(COUNTERS.collection, "a"))["total"] == 4


class Away:
    """A store that cannot be reached to be written to."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def insert(self, *_: Any, **__: Any) -> None:
        raise Unavailable("pulled the plug")


async def test_a_store_that_is_away_is_told_to_each_once(store):
    rig = Rig(Away(store))
    outcomes = await rig.add(*(message(f"m{n}") for n in range(5)))
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 5
    assert rig.store.calls["insert"] == 1


class Interrupted:
    """A store during whose first look into the inbox another process does something, before it or after it."""

    def __init__(self, store: Any, act: Callable[[], Awaitable[None]], *, before: bool) -> None:
        self._store = store
        self._acts = [act]
        self._before = before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def get_many(self, collection: Collection, ids: Sequence[str]) -> dict[str, Document]:
        acts = self._acts if collection.name == INBOX.name else []
        if acts and self._before:
            await acts.pop()()
        found: dict[str, Document] = await self._store.get_many(collection, ids)
        if acts and not self._before:
            await acts.pop()()
        return found


@pytest.mark.parametrize("before", [True, False])
async def test_what_another_process_finishes_meanwhile_mark_and_all_has_no_second_effect(store, before):
    other = Rig(store)

    async def finish() -> None:
        assert totals(await other.add(message("m1"))) == [1]
        (pending,) = other.owed
        await store.trim(COUNTERS.collection, [Trim(pending.id, {"applied": pending.applied})])

    outcomes: list[Any] = await Rig(Interrupted(store, finish, before=before)).add(message("m1"), message("m2"))
    assert totals(outcomes) == [1, 2]
    assert [outcome.duplicate for outcome in outcomes] == [True, False]
