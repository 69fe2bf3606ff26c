"""Case 18: the clock of one node is ten minutes ahead or behind: no lease is split, and nothing waits for its time."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.notifications.store import CAMPAIGNS, DELIVERIES
from shared.messaging.executor import Executor
from shared.store.connect import connect
from shared.store.port import PENDING
from tests.faults.probing import PAGE
from tests.messaging import probe
from tests.messaging.conftest import REPOSITORIES
from tests.messaging.probe import COUNTERS, SEEN, Add
from tests.notifications.sink import Sink
from tests.notifications.test_workers import PEOPLE, filled, finished, worker
from tests.support.running import running, until

TEN_MINUTES = 600


@pytest.mark.faults
@pytest.mark.parametrize("skew", [-TEN_MINUTES, TEN_MINUTES], ids=["behind", "ahead"])
async def test_case_18_mail_leases(sink: Sink, tmp_path: Path, told, skew: int):
    """Leases are a second long here: one whose clock is ahead takes what the other has claimed, again and again.

    Whoever begins with a mail does so by a conditional write, and who lost it leaves it alone.
    """
    sink.seconds = 0.02
    store_url = f"sqlite:///{tmp_path / 'n.db'}"
    store = connect(store_url)
    await filled(store)
    async with worker(store_url, sink), worker(store_url, sink, skew):
        await until(lambda: finished(store), patience=90)
    got = Counter(r.recipient for r in sink.received)
    campaign = await store.get(CAMPAIGNS.collection, "campaign-1")
    states = Counter([d["state"] async for d in store.everything(DELIVERIES.collection)])
    senders = {d["claimed_by"] async for d in store.everything(DELIVERIES.collection)}
    await store.close()
    lost = (set(PEOPLE) | {f"deltager{n}@forening.example" for n in range(40)}) - set(got)
    duplicated = sum(got.values()) - len(got)
    told("18", clock_of_one_worker=f"{skew:+} s", lost=len(lost), duplicated=duplicated, **states)
    assert len(senders) == 2 or skew < 0  # to the one that is behind hardly anything is due yet
    assert (lost, duplicated) == (set(), 0)
    assert states == {"sent": len(PEOPLE) + 40}
    assert campaign is not None
    assert campaign["outcome"]["sent"] == campaign["total"] == len(PEOPLE)


@pytest.mark.usefixtures("clean", "quick_looks")
@pytest.mark.parametrize("skew", [-TEN_MINUTES, TEN_MINUTES], ids=["behind", "ahead"])
async def test_case_18_what_a_process_left_whose_clock_was_off_is_sent(*, broker, tmp_path, store_url, skew):
    async with running(probe, REPOSITORIES, tmp_path, broker.url("operator"), store_url=store_url) as service:
        await until(lambda: _swept(service))
        dead = Executor(service.store, "probe", clock=lambda: datetime.now(UTC) + timedelta(seconds=skew))
        await dead.execute(Add(counter="left"), probe.add, id="1", source=PAGE)
        await until(lambda: service.store.get(SEEN.collection, "left"))
        document = await service.store.get(COUNTERS.collection, "left")
        assert document is not None
        await until(
            lambda: service.store.get(COUNTERS.collection, "left"), lambda d: d is not None and PENDING not in d
        )


async def _swept(service) -> bool:
    """Whether the first sweep, which takes everything, is over."""
    return not service.relay._first
