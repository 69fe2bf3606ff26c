"""Case 5: a process stands still (SIGSTOP) past its lease while another takes over, and then goes on.

On MongoDB's wire: in SQLite, who stands still in the middle of a write holds the file's lock, and others wait.
"""

import asyncio
import signal
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.notifications.domain import Delivery, delivery, signup_letter
from services.notifications.sending.leases import Leases
from services.notifications.sending.ledger import Ledger
from services.notifications.store import DELIVERIES
from shared.store.connect import connect
from shared.store.port import PENDING, Put, Store
from tests.faults.nodes import Fate, node
from tests.faults.probing import NOTHING, command, settled
from tests.messaging import probe
from tests.messaging.conftest import REPOSITORIES
from tests.messaging.probe import COUNTERS
from tests.notifications.happenings import confirmed
from tests.notifications.rig import context, rig_with, settings
from tests.notifications.sink import Sink
from tests.notifications.test_workers import PEOPLE, filled, finished, worker
from tests.support.running import running, until
from tests.support.stores import MongoServer

PAUSES = [(2, 0), pytest.param(30, 0, marks=pytest.mark.faults), pytest.param(2, 35, marks=pytest.mark.faults)]
"""Times, and seconds that each lasts beyond the takeover: after 35 the broker has given up the connection."""


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(("times", "seconds"), PAUSES)
@pytest.mark.timeout(300)
async def test_case_5_relay_paused_between_publish_and_mark(
    *, broker, mongo_server, tmp_path, operator, told, times, seconds
):
    url, run = broker.url("operator"), uuid.uuid4().hex[:8]
    store_url = mongo_server.database_url()
    sent: dict[str, str] = {}
    account = NOTHING
    for number in range(times):
        key, counter = f"{run}-{number}", f"{run}-c{number}"
        async with node(url, store_url, Fate("between publish and mark", key, signal.SIGSTOP)) as paused:
            await operator.publish(command(key, counter))
            await paused.stands_still()
            async with running(probe, REPOSITORIES, tmp_path, url, store_url=store_url) as service:

                async def owes(service: Any = service, counter: str = counter) -> bool:
                    return PENDING in await service.store.get(COUNTERS.collection, counter)

                await until(owes, lambda found: not found)
                await asyncio.sleep(seconds)
                sent |= {key: counter}
                for more in [f"{key}-{n}" for n in range(3)]:  # some of them wait with the one that stands still
                    await operator.publish(command(more, counter))
                    sent[more] = counter
                paused.tell(signal.SIGCONT)
                account = await settled(service, operator, sent)
                assert account == NOTHING
    told("5", relay_paused=times, seconds=seconds, **account.as_dict())


@pytest.mark.faults
@pytest.mark.parametrize("mails_before", [1, 10, 30, 60, 100, 140])
async def test_case_5_mail_worker_paused(sink: Sink, mongo_server: MongoServer, told: Any, mails_before: int):
    sink.seconds = 0.02
    store_url = mongo_server.database_url()
    store = connect(store_url)
    await filled(store)
    async with worker(store_url, sink) as paused:
        async with worker(store_url, sink):
            await sink.mails(mails_before)
            paused.send_signal(signal.SIGSTOP)
            await until(lambda: finished(store), patience=60)
            paused.send_signal(signal.SIGCONT)
        await store.put(
            DELIVERIES.collection, [_put(_mail("last", datetime.now(UTC)))]
        )  # only the one that stood still is left for it
        await until(lambda: finished(store))
        received = sink.received
    await store.close()
    got = Counter(r.recipient for r in received)
    ids: dict[str, set[str]] = {}
    for each in received:
        ids.setdefault(each.recipient, set()).add(each.mail["Message-ID"])
    lost = (set(PEOPLE) | {f"deltager{n}@forening.example" for n in range(40)} | {"last@forening.example"}) - set(got)
    twice = {recipient for recipient, n in got.items() if n > 1}
    told("5", mail_worker_paused_after=mails_before, lost=len(lost), further_mails=len(twice))
    assert not lost
    assert not twice & set(PEOPLE)  # what nobody knows of a campaign's mail does not go again
    assert max(got.values()) <= 2
    assert all(len(found) == 1 for found in ids.values())
    assert len(twice) <= 4  # as many as it had connections


async def test_case_5_a_look_from_before_a_pause_of_its_own_takes_nobodys_mail(sink: Sink):
    async with rig_with(sink) as rig:
        lease = timedelta(seconds=0.2)

        def ledger(store: Any, name: str) -> Ledger:
            return Ledger(store, name, lease, lambda: rig.harness.now, lambda _: None)

        await rig.store.put(DELIVERIES.collection, [_put(_mail("a", rig.harness.now))])
        living = ledger(rig.store, "living")
        (claimed,) = await living.claim({"lane": "transactional"}, 1)
        begun = await living.begin(claimed)
        paused = Leases(ledger(_Pausing(rig.store, lambda: living.renew(begun), 2 * lease), "paused"))
        await paused.settle_abandoned()  # the first look; it is paused after the second
        await paused.settle_abandoned()
        assert (await rig.delivery()).state == "sending"


class _Pausing:
    """A store whose reader stands still after its second look; meanwhile something happens."""

    def __init__(self, store: Store, meanwhile: Any, pause: timedelta) -> None:
        self._store = store
        self._meanwhile = meanwhile
        self._pause = pause
        self._looks = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def find(self, *args: Any, **kwargs: Any) -> Any:
        found = await self._store.find(*args, **kwargs)
        self._looks += 1
        if self._looks == 2:
            await asyncio.sleep(self._pause.total_seconds())
            await self._meanwhile()
        return found


def _mail(name: str, now: datetime) -> Delivery:
    around = context(settings())
    address = f"{name}@forening.example"
    return delivery(
        signup_letter(confirmed(email=address)),
        cause=name,
        correlation=None,
        address=around.address_id(address),
        domain=around.mail_domain,
        now=now,
    )


def _put(mail: Delivery) -> Put:
    return Put(mail.id, DELIVERIES.to_fields(mail, 1))
