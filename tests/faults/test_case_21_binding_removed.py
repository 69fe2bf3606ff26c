"""Case 21: the binding of a consumer's queue is gone, so that nobody hears an event."""

import re
import time

import aio_pika
import httpx
import pytest

from shared.messaging import unrouted as looking
from tests.faults.probing import NOTHING, PAGE, depths, paging, settled
from tests.messaging.probe import Added
from tests.support.running import until

ALERT_SECONDS = 10.0
WAITING = re.compile(r"^rummelig_unrouted_waiting (\S+)", re.MULTILINE)


async def unrouted(service) -> float:
    """What Prometheus reads; the alert RummeligUnroutedEvents fires above 0."""
    transport = httpx.ASGITransport(service.asgi())
    async with httpx.AsyncClient(transport=transport, base_url="http://probe.example") as http:
        found = WAITING.search((await http.get("/metrics")).text)
    assert found
    return float(found[1])


@pytest.mark.timeout(60)
async def test_case_21_a_binding_that_is_gone_is_counted_and_its_events_come_when_it_is_back(
    service, broker, operator, told, monkeypatch
):
    connection = await aio_pika.connect(broker.url("operator"))
    underlay = await (await connection.channel()).get_underlay_channel()
    await underlay.queue_unbind("probe.from.probe", "probe.events", Added.routing_key())
    removed = time.monotonic()
    async with paging(service) as pages:
        await pages.more(10)
    await until(lambda: unrouted(service), patience=ALERT_SECONDS)
    alerted = time.monotonic() - removed
    monkeypatch.setattr(looking, "LOOK_SECONDS", 0.3)
    kept = await until(lambda: _kept(operator), lambda count: count == len(pages.sent))
    await underlay.queue_bind("probe.from.probe", "probe.events", Added.routing_key())
    await connection.close()
    account = await settled(service, operator, pages.sent, PAGE)
    await until(lambda: unrouted(service), lambda count: count == 0)
    told("case 21", alerted_after=round(alerted, 1), kept=kept, **account.as_dict())
    assert account == NOTHING


async def _kept(operator) -> int:
    return (await depths(operator, ["probe.unrouted"]))["probe.unrouted"]
