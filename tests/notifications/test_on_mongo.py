"""The same over MongoDB: claims, marks, sums and pages answer there as they do on SQLite."""

import re
from collections.abc import AsyncIterator

import pytest

from services.notifications import messages
from services.notifications.forgetting import forget_mails, forget_unconfirmed
from services.notifications.store import REPOSITORIES
from shared.contracts.notifications import CampaignFinished
from shared.store.work import OWN_COLLECTIONS
from tests.notifications.happenings import confirmed, registered
from tests.notifications.rig import SITE, Rig, context, settings
from tests.notifications.sink import DROP, Sink
from tests.support.harness import Harness
from tests.support.stores import MongoServer, fresh_store

PEOPLE = [f"person{n}@forening.example" for n in range(9)]


@pytest.fixture
async def rig(sink: Sink, mongo_server: MongoServer) -> AsyncIterator[Rig]:
    chosen = settings(mail_lease_seconds=2)
    around = context(chosen)
    collections = [*(r.collection for r in REPOSITORIES), *OWN_COLLECTIONS]
    async with fresh_store(mongo_server.database_url(), collections) as store:
        yield Rig(Harness(messages, REPOSITORIES, store, around), sink, chosen, around)


async def test_the_story(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.notifications.campaigns.PAGE", 4)
    await rig.ask("asta@forening.example", "newsletter")
    (received,) = await rig.sent()
    (path,) = re.findall(rf"{SITE}(/bekraeft/\S+)", received.part("plain"))
    async with rig.http() as browser:
        await browser.post(path)
        await rig.harness.feed(registered())
        await rig.harness.feed(confirmed())
        await rig.subscribed(*PEOPLE)
        gone = rig.context.address_id(PEOPLE[0])
        await rig.send_campaign()
        await rig.campaigns().step()
        await browser.post(rig.links.unsubscribe_url(gone, "newsletter", "da"))
    answers = {PEOPLE[1]: "550 5.1.1 nobody", PEOPLE[2]: DROP}
    rig.sink.data = answers.get
    await rig.sent()
    (event,) = rig.harness.told(CampaignFinished)
    assert (event.total, event.sent, event.failed, event.skipped, event.uncertain) == (10, 7, 1, 1, 1)
    campaigns = [r for r in rig.sink.received if r.mail["List-Id"]]
    assert sorted(r.recipient for r in campaigns) == sorted(["asta@forening.example", *PEOPLE[2:]])
    assert all("Genbrugsværkstedet ApS" in r.part("plain") for r in campaigns)
    assert rig.sink.to("asta@forening.example")
    rig.later(days=100)
    assert await forget_unconfirmed(rig.store, rig.harness.now) == 0
    assert await forget_mails(rig.store, rig.harness.now) == 13


async def test_later_and_for_good(rig: Rig):
    answers = iter(["451 later", None])
    rig.sink.data = lambda _: next(answers)
    await rig.harness.feed(registered())
    await rig.sent()
    assert (await rig.delivery()).tries == 1
    rig.later(minutes=2)
    await rig.sent()
    assert (await rig.delivery()).state == "sent"
