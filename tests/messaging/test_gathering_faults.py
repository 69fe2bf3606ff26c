"""What may go wrong among messages that are handled together: nobody waits for ever, nor is told of another's fault."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.contracts.base import Envelope
from shared.contracts.events import SignUp
from shared.contracts.problems import Conflict
from shared.messaging.gathering import Decide, Gathered
from shared.store.committing import MOST_OWED
from shared.store.errors import Backlog
from shared.store.work import Work
from tests.messaging.probe import COUNTERS, Add, Total
from tests.messaging.test_gathering import Rig, add_all, message, store, totals  # noqa: F401 - a fixture
from tests.support.running import until


@Gathered
async def odd(commands: Sequence[Add], work: Work) -> Decide[Total]:
    """77 is cancelled where nobody cancelled anything; 14 is refused after it was saved."""
    decide = await add_all.load(commands, work)

    async def strange(command: Add, work: Work) -> Total:
        if command.amount == 77:
            raise asyncio.CancelledError
        result: Total = await decide(command, work)
        if command.amount == 14:
            raise Conflict("fourteen is not added here")
        return result

    return strange


async def _now[T](value: T) -> T:
    return value


async def all_at_once(rig: Rig, handler: Gathered, *amounts: int) -> list[Any]:
    running = (rig.executor.run(message(f"m{n}", amount), Add, handler) for n, amount in enumerate(amounts))
    async with asyncio.timeout(10):
        return await asyncio.gather(*running, return_exceptions=True)


async def test_a_cancellation_that_nobody_meant_is_told_to_the_one_it_befell(store):  # noqa: F811
    outcomes = await all_at_once(Rig(store), odd, 1, 77, 1)
    assert isinstance(outcomes[1], asyncio.CancelledError)
    assert totals([outcomes[0], outcomes[2]]) == [1, 2]


async def test_a_cancellation_that_nobody_meant_lets_the_next_of_the_key_go_on(store):  # noqa: F811
    rig = Rig(store)
    (alone,) = await all_at_once(rig, odd, 77)
    assert isinstance(alone, asyncio.CancelledError)
    assert totals(await rig.add(message("m1"))) == [1]


async def test_whoever_ends_the_handling_of_a_group_ends_the_waiting_for_it(store):  # noqa: F811
    rig = Rig(store)
    started, gate = asyncio.Event(), asyncio.Event()

    @Gathered
    async def slow(_: Sequence[Add], __: Work) -> Decide[Total]:
        started.set()
        await gate.wait()
        raise AssertionError("cancelled before")

    first = asyncio.create_task(all_at_once(rig, slow, 1, 1))
    await started.wait()
    second = asyncio.create_task(all_at_once(rig, slow, 1, 1))
    await until(lambda: _now(len(rig.executor._gathering._running) == 2))
    for running in list(rig.executor._gathering._running):
        running.cancel()
    assert {type(each) for each in [*await first, *await second]} == {asyncio.CancelledError}
    assert totals(await rig.add(message("m9"))) == [1]


async def test_what_is_refused_after_it_was_saved_leaves_nothing_behind(store):  # noqa: F811
    rig = Rig(store)
    outcomes = await all_at_once(rig, odd, 1, 14, 1)
    assert [outcome.reply.ok for outcome in outcomes] == [True, False, True]
    assert totals([outcomes[0], outcomes[2]]) == [1, 2]
    document = await store.get(COUNTERS.collection, "a")
    assert (document["version"], document["total"]) == (2, 2)


async def test_a_document_that_owes_too_much_keeps_no_answer_from_who_adds_nothing(store):  # noqa: F811
    owed = [{"id": f"e{n}"} for n in range(MOST_OWED)]
    await store.insert(COUNTERS.collection, {"_id": "a", "version": 1, "v": 1, "total": 5, "outbox": owed})
    outcomes = await all_at_once(Rig(store), add_all, 0, 1, 13, 0)
    assert isinstance(outcomes[1], Backlog)
    assert totals([outcomes[0], outcomes[3]]) == [5, 5]
    assert outcomes[2].reply.problem.status == 409


async def test_who_is_erased_while_others_are_handled_one_by_one_is_not_handled_any_more(store):  # noqa: F811
    executor = Rig(store).executor
    handled: list[str] = []

    @Gathered
    async def note(_: Sequence[SignUp], work: Work) -> Decide[None]:
        async def decide(wish: SignUp, work: Work) -> None:
            if wish.name == "breaks":
                work.erased.add(work.erased.id_of("asta@forening.example"), datetime.now(UTC))
                raise RuntimeError("cannot go on")
            handled.append(wish.email)

        return decide

    def wish(name: str, email: str) -> Envelope:
        data = {"event_id": "e", "name": name, "email": email, "attendance": "online"}
        return Envelope(id=name, source="/test", type=SignUp.type(), data=data)

    people = [("breaks", "bo@forening.example"), ("Asta", "asta@forening.example"), ("Eva", "eva@forening.example")]
    running = (executor.run(wish(*each), SignUp, note) for each in people)
    outcomes: list[Any] = await asyncio.gather(*running, return_exceptions=True)
    assert isinstance(outcomes[0], RuntimeError)
    assert [outcome.skipped for outcome in outcomes[1:]] == [True, False]
    assert handled == ["eva@forening.example"]


class Meanwhile:
    """A store during whose first keeping of a reply another process does something before."""

    def __init__(self, plain: Any, act: Callable[[], Awaitable[Any]]) -> None:
        self._store = plain
        self._acts = [act]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def insert_many(self, *given: Any) -> Any:
        if self._acts:
            await self._acts.pop()()
        return await self._store.insert_many(*given)


@pytest.mark.parametrize("amount", [0, 13])
async def test_of_two_processes_that_write_nothing_but_the_reply_both_give_the_one_that_is_kept(store, amount):  # noqa: F811
    other = Rig(store)

    async def finish() -> None:
        await other.add(message("m2", 5))
        outcomes.extend(await other.add(message("m1", amount)))

    outcomes: list[Any] = []
    outcomes.extend(await Rig(Meanwhile(store, finish)).add(message("m1", amount)))
    there, here = outcomes
    assert here.reply == there.reply
    assert (there.duplicate, here.duplicate) == (False, True)
