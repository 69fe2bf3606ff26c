"""Case 8: the network between service and broker is gone, and nobody is told (no FIN, no RST)."""

import asyncio
import time

import pytest

from tests.faults.probing import NOTHING, PAGE, Load, paging, ready, settled
from tests.messaging import probe
from tests.messaging.conftest import REPOSITORIES
from tests.support.running import running, until
from tests.support.tap import tapped

NOTICED_SECONDS = 35.0
BACK_SECONDS = 15.0


@pytest.fixture
async def tap(broker, clean):
    async with tapped(broker.url("operator")) as found:
        yield found


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seconds", [10, 30])
async def test_case_8_a_cut_loses_nothing(broker, tap, tmp_path, operator, told, seconds):
    async with running(probe, REPOSITORIES, tmp_path, tap.url) as service:
        load = Load(broker.url("integrator"), 10, 20 * seconds, pause=0.5)
        sending = asyncio.create_task(load.send())
        async with paging(service) as pages:
            await pages.more(20)
            tap.unplug()
            await asyncio.sleep(seconds)
            tap.plug()
            await pages.more(20)
        await sending
        back = await ready(service, BACK_SECONDS)
        sent = {f"probe.commands:{key}": counter for key, counter in load.sent.items()}
        sent |= {f"{PAGE}{key}": counter for key, counter in pages.sent.items()}
        account = await settled(service, operator, sent, "")
    told(f"case 8, {seconds} s", messages=len(sent), **account.as_dict(), back=round(back, 1))
    assert account == NOTHING


@pytest.mark.faults
async def test_case_8_a_cut_is_noticed_and_mended(tap, tmp_path, client, told):
    async with running(probe, REPOSITORIES, tmp_path, tap.url) as service:
        tap.unplug()
        began = time.monotonic()
        noticed: dict[str, float] = {}

        async def who() -> dict[str, float]:
            if not service.publisher.connected:
                noticed.setdefault("publishing", time.monotonic() - began)
            if service.subscription.reasons:
                noticed.setdefault("consuming", time.monotonic() - began)
            return noticed

        await until(who, lambda found: len(found) == 2, patience=NOTICED_SECONDS)
        tap.plug()
        back = await ready(service, BACK_SECONDS)
        assert (await client.send(probe.Add(counter="a"))).ok
    told("case 8", **{f"{side}_noticed_after": round(s, 1) for side, s in noticed.items()}, back_after=round(back, 1))
