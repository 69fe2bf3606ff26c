"""The store goes away just when the mail server has spoken: what it said is not forgotten."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from services.notifications.sending import ledger
from services.notifications.store import DELIVERIES, SUPPRESSIONS
from shared.store.errors import Unavailable
from shared.store.port import Collection, Store
from tests.notifications.rig import Rig, stop
from tests.support.running import until

ASTA = "asta@forening.example"


class Away:
    """A store that cannot be reached the first so many times that a collection is asked for by a method."""

    def __init__(self, store: Store, method: str, collection: Collection, times: int) -> None:
        self._store, self._method, self._collection = store, method, collection.name
        self.left = times

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name != self._method:
            return method

        async def asked(collection: Collection, *args: Any, **kwargs: Any) -> Any:
            if collection.name == self._collection and self.left:
                self.left -= 1
                raise Unavailable("away")
            return await method(collection, *args, **kwargs)

        return asked


@pytest.mark.parametrize(
    ("said", "method", "collection", "suppressed"),
    [
        ("550 5.1.1 no such mailbox", "put", SUPPRESSIONS.collection, 1),
        ("552 5.2.2 mailbox full", "find", DELIVERIES.collection, 0),
    ],
)
async def test_a_refusal_waits_for_the_store(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, said: str, method: str, collection: Collection, suppressed: int
):
    monkeypatch.setattr(ledger, "STORE_PAUSE_SECONDS", 0.01)
    rig.sink.rcpt = lambda _: said
    await rig.subscribed(ASTA)
    campaign_id = await rig.send_campaign()
    await rig.campaigns().step()
    away = Away(rig.store, method, collection, 3)
    with monkeypatch.context() as patch:
        patch.setattr(rig.harness, "served", away)
        sender = rig.dispatcher()
    # Abandoned mails are looked for in the same collection; here nobody is to look but who was refused.
    object.__setattr__(sender._deliverer.leases, "keep", asyncio.Event().wait)
    job = asyncio.create_task(sender.run())
    await until(lambda: refused(rig))
    await stop(job)
    assert away.left == 0
    await rig.campaigns().step()
    assert (await rig.campaign(campaign_id)).outcome == {"sent": 0, "failed": 1, "skipped": 0, "uncertain": 0}
    assert len((await rig.harness.dump())["suppressions"]) == suppressed


async def refused(rig: Rig) -> bool:
    return Counter(d.state for d in await rig.deliveries())["failed"] == 1
