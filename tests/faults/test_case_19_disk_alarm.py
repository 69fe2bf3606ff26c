"""Case 19: the broker's disk is full, so it stops reading from everybody who publishes."""

import asyncio
import time

import pytest

from tests.faults.probing import NOTHING, PAGE, owing, paging, ready, settled

FULL = "1000000000000000"
"""Bytes that must be free: more than any disk has."""
FREE = "200MB"
PAGE_SECONDS = 5.0
BACKLOG_SECONDS = 60.0


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(2, id="quick"),
        pytest.param(60, id="full", marks=[pytest.mark.faults, pytest.mark.timeout(300)]),
    ],
)
async def test_case_19_commands_are_accepted_under_a_disk_alarm_and_the_backlog_goes_after_it(
    start, broker, operator, told, seconds
):
    async with start() as service:
        try:
            async with paging(service, counters=500) as pages:
                await pages.more(20)
                await asyncio.to_thread(broker.control, "set_disk_free_limit", FULL)
                before = len(pages.sent)
                await asyncio.sleep(seconds)
                under_alarm = len(pages.sent) - before
            waiting = len(await owing(service))
        finally:
            await asyncio.to_thread(broker.control, "set_disk_free_limit", FREE)
        cleared = time.monotonic()
        account = await settled(service, operator, pages.sent, PAGE)
        backlog_gone = time.monotonic() - cleared
        await ready(service, 15)
    told(
        f"case 19, {seconds} s",
        accepted_under_alarm=under_alarm,
        slowest_page=round(pages.slowest, 2),
        waiting_at_the_end=waiting,
        backlog_gone_after=round(backlog_gone, 1),
        **account.as_dict(),
    )
    assert account == NOTHING
    assert waiting, "there was no alarm"
    assert pages.slowest < PAGE_SECONDS
    assert backlog_gone < BACKLOG_SECONDS
