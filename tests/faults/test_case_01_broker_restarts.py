"""Case 1, and TestReconnect of Watermill's suite: the broker is restarted at 1/3 and at 1/2 of the messages."""

import asyncio

import pytest

from tests.faults.probing import NOTHING, Load, ready, settled

BACK_SECONDS = 15.0
LOAD = [
    pytest.param(10, 300, 0.02, id="quick"),
    pytest.param(100, 10_000, 0.2, id="full", marks=[pytest.mark.faults, pytest.mark.timeout(600)]),
]


@pytest.mark.parametrize(("publishers", "count", "pause"), LOAD)
async def test_case_1_the_broker_restarts_at_a_third_and_at_half(
    start, broker, operator, told, publishers, count, pause
):
    async with start() as service:
        third, half, some = count // 3, count // 2, count // 12  # so many come on their way while the broker goes down
        load = Load(broker.url("integrator"), publishers, count, pause, allowed=third + some)
        sending = asyncio.create_task(load.send())
        await load.reached(third)
        await asyncio.to_thread(broker.control, "stop_app")  # as for an upgrade: everybody is told
        load.allowed = half + some
        await asyncio.to_thread(broker.control, "start_app")
        told_back = await ready(service, BACK_SECONDS)
        await load.reached(half)
        await asyncio.to_thread(broker.kill)
        load.allowed = count
        await asyncio.to_thread(broker.start)
        killed_back = await ready(service, BACK_SECONDS)
        await sending
        account = await settled(service, operator, load.sent)
    told(
        "case 1",
        messages=len(load.sent),
        repeated=load.repeated,
        **account.as_dict(),
        back_after_restart=round(told_back, 1),
        back_after_kill=round(killed_back, 1),
    )
    assert len(load.sent) == count
    assert load.repeated, "the broker was never away while messages were on their way"
    assert account == NOTHING
