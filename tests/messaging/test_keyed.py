"""One at a time for each key, in the order of asking."""

import asyncio

from shared.messaging.keyed import KeyedLock


async def test_holders_of_a_key_take_turns_in_the_order_of_asking():
    locks, order, inside = KeyedLock(), [], 0

    async def hold(number: int) -> None:
        nonlocal inside
        async with locks.hold("a"):
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            order.append(number)
            inside -= 1

    await asyncio.gather(*(hold(n) for n in range(50)))
    assert order == list(range(50))


async def test_other_keys_do_not_wait():
    locks = KeyedLock()
    async with locks.hold("a"), asyncio.timeout(1), locks.hold("b"):
        assert set(locks._locks) == {"a", "b"}


async def test_nothing_is_left_of_a_key_that_nobody_holds_not_even_after_a_failure():
    locks = KeyedLock()

    async def fail() -> None:
        async with locks.hold("a"):
            raise RuntimeError

    await asyncio.gather(*(fail() for _ in range(5)), return_exceptions=True)
    waiting = asyncio.create_task(fail())
    async with locks.hold("a"):
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert locks._locks == {}
