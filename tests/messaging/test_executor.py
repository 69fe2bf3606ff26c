"""One message, whatever happens around its one write; without a broker."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.contracts.base import Envelope
from shared.contracts.problems import Invalid
from shared.messaging.executor import Executor
from shared.store.work import OWN_COLLECTIONS, Work
from tests.messaging.probe import COUNTERS, Add, Counter, Total
from tests.support.stores import fresh_store
from tests.support.watched import Counting, Dying, Killed


async def begin(command: Add, work: Work) -> Total:
    """Saves a new aggregate without looking first."""
    work.save(COUNTERS, Counter(id=command.counter, total=command.amount))
    return Total(total=command.amount)


def message(id: str = "m1", amount: int = 2, counter: str = "a") -> Envelope:
    return Envelope(id=id, source="/test", type=Add.type(), data={"counter": counter, "amount": amount})


@pytest.fixture
async def store(tmp_path) -> AsyncIterator[Any]:
    async with fresh_store(f"sqlite:///{tmp_path}/store.db", [*OWN_COLLECTIONS, COUNTERS.collection]) as found:
        yield found


async def test_a_crash_after_the_write_is_answered_as_if_there_had_been_none(store):
    with pytest.raises(Killed):
        await Executor(Dying(store, at=1, after=True), "probe").run(message(), Add, begin)
    counting = Counting(store)
    outcome = await Executor(counting, "probe").run(message(), Add, begin)
    assert outcome.duplicate
    assert outcome.reply.result == {"total": 2}
    assert counting.calls["insert"] == 1


async def test_the_same_id_with_its_fields_in_another_order_is_the_same_message(store):
    executor = Executor(store, "probe")
    first = await executor.run(message(), Add, begin)
    turned = message().model_copy(update={"data": {"amount": 2, "counter": "a"}})
    again = await executor.run(turned, Add, begin)
    assert again.duplicate
    assert again.reply == first.reply


async def test_a_reused_id_is_refused_and_changes_nothing(store):
    executor = Executor(store, "probe")
    await executor.run(message(), Add, begin)
    outcome = await executor.run(message(amount=9), Add, begin)
    assert outcome.reply.problem is not None
    assert outcome.reply.problem.status == 409
    assert (await store.get(COUNTERS.collection, "a"))["total"] == 2


async def test_what_the_store_can_never_keep_is_invalid_and_not_tried_again(store):
    executor = Executor(store, "probe")
    with pytest.raises(Invalid, match="64 bits"):
        await executor.run(message(amount=10**30), Add, begin)
    assert (await executor.run(message(), Add, begin)).reply.result == {"total": 2}


class Slow:
    """A store that answers the first questions last."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def find(self, *arguments: Any, **options: Any) -> Any:
        self._asked += 1
        await asyncio.sleep(0.1 - 0.005 * min(self._asked, 20))
        return await self._store.find(*arguments, **options)


async def test_messages_of_one_key_do_not_overtake_one_another_whatever_the_store_takes(store):
    executor = Executor(Slow(store), "probe")
    order: list[int] = []

    async def note(command: Add, _: Work) -> None:
        order.append(command.amount)

    await asyncio.gather(*(executor.run(message(f"m{n}", amount=n), Add, note) for n in range(20)))
    assert order == list(range(20))


async def test_one_that_gives_way_keeps_its_place_among_those_of_its_key(store):
    executor = Executor(store, "probe")
    order: list[str] = []

    async def note(command: Add, _: Work) -> None:
        order.append(f"{command.counter}{command.amount}")

    await asyncio.gather(
        executor.run(message("m1", counter="a", amount=1), Add, note, pause=0.2),
        executor.run(message("m2", counter="a", amount=2), Add, note),
        executor.run(message("m3", counter="b", amount=1), Add, note),
    )
    assert order == ["b1", "a1", "a2"]
