"""Processes that send side by side, one of them killed with kill -9."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from services.notifications.campaigns import LEASE
from services.notifications.domain import ordered_campaign
from services.notifications.store import CAMPAIGNS, DELIVERIES, REPOSITORIES, SUBSCRIBERS
from shared.contracts.notifications import SendCampaign
from shared.store.connect import connect
from shared.store.port import Put, Store
from shared.store.work import OWN_COLLECTIONS
from tests.notifications.rig import context, settings
from tests.notifications.sink import Sink
from tests.support.running import until

ROOT = Path(__file__).parents[2]
PEOPLE = [f"person{n}@forening.example" for n in range(120)]


@asynccontextmanager
async def worker(store_url: str, sink: Sink, ahead: int = 0) -> AsyncIterator[Process]:
    arguments = ["-m", "tests.notifications.worker", store_url, str(sink.port), str(ahead)]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT, stdout=PIPE)
    assert process.stdout
    try:
        await process.stdout.readline()  # ready
        reading = asyncio.create_task(process.stdout.read())  # its log must not fill the pipe
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


async def filled(store: Store) -> None:
    """A campaign to everybody, and a sign-up mail to some."""
    await store.open([*(r.collection for r in REPOSITORIES), *OWN_COLLECTIONS])
    from services.notifications.domain import Subscriber, delivery, signup_letter
    from tests.notifications.happenings import confirmed

    around, now = context(settings()), datetime.now(UTC)
    people = [
        Subscriber(id=around.address_id(e), version=1, email=e, language="da", topics=("newsletter",)) for e in PEOPLE
    ]
    await store.put(SUBSCRIBERS.collection, [Put(p.id, SUBSCRIBERS.to_fields(p, 1)) for p in people])
    mails = [
        delivery(
            signup_letter(confirmed(email=f"deltager{n}@forening.example")),
            cause=f"cause-{n}",
            correlation=None,
            address=around.address_id(f"deltager{n}@forening.example"),
            domain=around.mail_domain,
            now=now,
        )
        for n in range(40)
    ]
    await store.put(DELIVERIES.collection, [Put(d.id, DELIVERIES.to_fields(d, 1)) for d in mails])
    command = SendCampaign(topic="newsletter", subject="Nyt", body="Hej")
    campaign = ordered_campaign("campaign-1", command, now, "x")
    await store.put(CAMPAIGNS.collection, [Put(campaign.id, CAMPAIGNS.to_fields(campaign, 1))])


@pytest.mark.parametrize("mails_before_the_kill", [pytest.param(1, marks=pytest.mark.faults), 30, 90])
async def test_a_killed_worker_loses_no_mail_and_doubles_none(sink: Sink, tmp_path: Path, mails_before_the_kill: int):
    sink.seconds = 0.02
    store_url = f"sqlite:///{tmp_path / 'n.db'}"
    store = connect(store_url)
    await filled(store)
    async with worker(store_url, sink) as first, worker(store_url, sink):
        await sink.mails(mails_before_the_kill)
        first.kill()
        await until(partial(finished, store), patience=LEASE.total_seconds() + 40)
    campaign = await store.get(CAMPAIGNS.collection, "campaign-1")
    assert campaign
    outcome = campaign["outcome"]
    got = Counter(r.recipient for r in sink.received)
    letters = {e: n for e, n in got.items() if e in PEOPLE}
    assert campaign["total"] == sum(outcome.values()) == len(PEOPLE)
    assert set(letters.values()) == {1}
    assert outcome["uncertain"] <= 4  # as many as the dead one had connections
    assert outcome["sent"] <= len(letters) <= outcome["sent"] + outcome["uncertain"]
    for number in range(40):
        mails = [r for r in sink.received if r.recipient == f"deltager{number}@forening.example"]
        assert 1 <= len(mails) <= 2
        assert len({r.mail["Message-ID"] for r in mails}) == 1
    await store.close()


async def finished(store: Store) -> bool:
    campaign = await store.get(CAMPAIGNS.collection, "campaign-1")
    waiting = [d async for d in store.everything(DELIVERIES.collection) if d["state"] in ("queued", "sending")]
    return bool(campaign and campaign["state"] == "finished" and not waiting)
