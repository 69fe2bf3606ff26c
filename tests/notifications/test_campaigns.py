"""Campaigns: the audience is frozen, each gets it once, and the sum comes out."""

import asyncio
from datetime import timedelta

import pytest

from services.notifications.campaigns import Campaigns
from services.notifications.domain import OPEN, Campaign
from services.notifications.store import CAMPAIGNS, DELIVERIES
from shared.contracts.events import EventCancelled
from shared.contracts.notifications import CampaignFinished, SendCampaign
from shared.store.port import Between, In
from tests.notifications.happenings import announced, happened
from tests.notifications.rig import Rig, stop, told
from tests.support.watched import Dying, Killed

ASTA = "asta@forening.example"


def people(count: int) -> list[str]:
    return [f"person{number}@forening.example" for number in range(count)]


async def steps(campaigns: Campaigns) -> None:
    for _ in range(3):
        await campaigns.step()


async def test_everybody_gets_it_once(rig: Rig):
    await rig.subscribed(*people(30))
    await rig.subscribed("anden@forening.example", topic="guidance")
    campaign_id = await rig.send_campaign()
    await rig.sent()
    assert sorted(r.recipient for r in rig.sink.received) == sorted(people(30))
    (event,) = rig.harness.told(CampaignFinished)
    assert event.model_dump() == {
        "campaign_id": campaign_id, "topic": "newsletter",
        "total": 30, "sent": 30, "failed": 0, "skipped": 0, "uncertain": 0,
    }  # fmt: skip
    assert {e.data["cause"] for e in told(rig, "mail-sent")} == {campaign_id}
    assert len(told(rig, "mail-sent")) == 30


async def test_who_leaves_meanwhile_gets_no_mail(rig: Rig):
    await rig.subscribed(*people(12))
    rig.sink.seconds = 0.05
    await rig.send_campaign()
    async with rig.running(smtp_connections=1), rig.http() as browser:
        await rig.sink.mails(1)
        got = {r.recipient for r in rig.sink.received}
        leaving = max(set(people(12)) - got)
        gone = rig.context.address_id(leaving)
        await browser.post(rig.links.unsubscribe_url(gone, "newsletter", "da"))
        late = [d.recipient for d in await rig.deliveries() if d.recipient == leaving and d.due_at <= rig.harness.now]
        await rig.settled()
    (event,) = rig.harness.told(CampaignFinished)
    if late:  # it was not in the few that were claimed already
        assert rig.sink.to(leaving) == []
        assert (event.sent, event.skipped) == (11, 1)
    assert event.total == 12


async def test_who_left_before_the_claim_is_skipped(rig: Rig):
    await rig.subscribed(*people(3))
    await rig.send_campaign()
    await rig.campaigns().step()
    async with rig.http() as browser:
        await browser.post(rig.links.unsubscribe_url(rig.context.address_id(people(3)[1]), "newsletter", "da"))
    await rig.sent()
    assert rig.sink.to(people(3)[1]) == []
    (event,) = rig.harness.told(CampaignFinished)
    assert (event.total, event.sent, event.skipped) == (3, 2, 1)


async def test_who_comes_after_the_freeze_gets_the_next(rig: Rig):
    await rig.subscribed(*people(3))
    await rig.send_campaign()
    await rig.campaigns().step()
    await rig.subscribed("sen@forening.example")
    await rig.sent()
    assert len(rig.sink.received) == 3


async def test_nobody_is_written_to_before_all_are_known(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.notifications.campaigns.PAGE", 4)
    await rig.subscribed(*people(10))
    campaign_id = await rig.send_campaign()
    campaigns = rig.campaigns()
    dying = Dying(rig.store, at=4)
    object.__setattr__(campaigns, "store", dying)
    with pytest.raises(Killed):
        await campaigns.step()
    assert len(await rig.deliveries()) > 0
    sender = asyncio.create_task(rig.dispatcher().run())
    try:
        for _ in range(20):
            await asyncio.sleep(0.01)
    finally:
        await stop(sender)
    assert rig.sink.received == []
    assert (await rig.campaign(campaign_id)).state == "preparing"


@pytest.mark.parametrize("at", range(1, 9))
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_while_freezing_changes_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch, at: int, after: bool):
    monkeypatch.setattr("services.notifications.campaigns.PAGE", 4)
    await rig.subscribed(*people(10))
    await rig.send_campaign()
    campaigns = rig.campaigns()
    object.__setattr__(campaigns, "store", Dying(rig.store, at=at, after=after))
    with pytest.raises(Killed):
        await steps(campaigns)
    rig.later(seconds=30)  # the dead one's lease
    await rig.sent()
    assert sorted(r.recipient for r in rig.sink.received) == sorted(people(10))
    (event,) = rig.harness.told(CampaignFinished)
    assert (event.total, event.sent) == (10, 10)


async def test_two_that_prepare_do_not_collide(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.notifications.campaigns.PAGE", 2)
    await rig.subscribed(*people(9))
    for _ in range(4):
        await rig.send_campaign()
    jobs = [asyncio.create_task(rig.campaigns().run()) for _ in range(3)]
    jobs += [asyncio.create_task(rig.dispatcher().run()) for _ in range(2)]
    try:
        await rig.settled()
    finally:
        await stop(*jobs)
    assert len(rig.sink.received) == 36
    assert [e.total for e in rig.harness.told(CampaignFinished)] == [9, 9, 9, 9]


async def test_nobody_subscribed(rig: Rig):
    await rig.send_campaign("procurement")
    await rig.sent()
    (event,) = rig.harness.told(CampaignFinished)
    assert event.total == 0


async def test_a_campaign_that_is_too_late_is_not_sent(rig: Rig):
    await rig.subscribed(*people(3))
    await rig.send_campaign(expires_at=rig.harness.now + timedelta(minutes=5))
    rig.later(minutes=5)
    await rig.sent()
    assert rig.sink.received == []
    assert rig.harness.told(CampaignFinished)[0].total == 0


async def test_one_that_becomes_too_late_stops(rig: Rig):
    await rig.subscribed(*people(3))
    await rig.send_campaign(expires_at=rig.harness.now + timedelta(minutes=5))
    await rig.campaigns().step()
    rig.later(minutes=5)
    await rig.sent()
    (event,) = rig.harness.told(CampaignFinished)
    assert (event.total, event.skipped) == (3, 3)


@pytest.mark.parametrize("killed", [False, True], ids=["meanwhile", "killed"])
async def test_one_that_is_called_off_while_it_is_prepared_leaves_no_mail_behind(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, killed: bool
):
    monkeypatch.setattr("services.notifications.campaigns.PAGE", 2)
    await rig.subscribed(*people(5), topic="network-events")
    await rig.harness.feed(announced())
    campaigns = rig.campaigns()
    if killed:
        object.__setattr__(campaigns, "store", Dying(rig.store, at=2, after=True))
        with pytest.raises(Killed):
            await campaigns.step()
        await rig.harness.feed(happened(EventCancelled), 2)
    else:
        audience = campaigns._audience

        async def called_off_meanwhile(campaign: Campaign) -> str | None:
            page = await audience(campaign)
            await rig.harness.feed(happened(EventCancelled), 2)
            return page

        object.__setattr__(campaigns, "_audience", called_off_meanwhile)
        await campaigns.step()
    assert [d.state for d in await rig.deliveries()] == ["queued"] * 2
    rig.later(seconds=30)  # the lease of who prepared it
    assert await rig.sent() == []
    assert [d.state for d in await rig.deliveries()] == ["skipped"] * 2
    (event,) = rig.harness.told(CampaignFinished)
    assert (event.total, event.skipped) == (2, 2)


async def test_it_is_finished_only_when_all_are(rig: Rig):
    await rig.subscribed(*people(3))
    rig.sink.rcpt = lambda email: "450 4.2.1 busy" if email == people(3)[0] else None
    campaign_id = await rig.send_campaign()
    await rig.sent()
    assert (await rig.campaign(campaign_id)).state == "sending"
    assert rig.harness.told(CampaignFinished) == []
    rig.sink.rcpt = lambda _: None
    rig.later(minutes=2)
    await rig.sent()
    assert rig.harness.told(CampaignFinished)[0].sent == 3


async def test_the_same_command_again_is_the_same_campaign(rig: Rig):
    await rig.subscribed(ASTA)
    command = SendCampaign(topic="newsletter", subject="Nyt", body="Hej")
    first, second = [await rig.harness.send(command, "one") for _ in range(2)]
    assert first == second
    assert len(await rig.sent()) == 1


async def test_transactional_mails_do_not_wait_for_a_campaign(rig: Rig):
    await rig.subscribed(*people(60))
    rig.sink.seconds = 0.02
    await rig.send_campaign()
    async with rig.running(smtp_connections=2):
        await rig.sink.mails(5)
        await rig.ask("haster@forening.example", "guidance")
        async with asyncio.timeout(5):
            while not rig.sink.to("haster@forening.example"):
                await rig.sink.mails(len(rig.sink.received) + 1)
        before = len(rig.sink.received)
        await rig.settled()
    assert before < 30
    assert len(rig.sink.received) == 61


async def test_queries_use_their_indexes(rig: Rig):
    for where, order in (
        ({"lane": "transactional", "state": "queued", "due_at": Between(at_most=rig.harness.now)}, "due_at"),
        ({"campaign_id": "x", "state": "queued", "due_at": Between(at_most=rig.harness.now)}, "due_at"),
        ({"campaign_id": "x", "state": In(OPEN)}, "due_at"),
    ):
        assert "SEARCH i/deliveries/" in await rig.store.explain(DELIVERIES.collection, where, order)
    assert "state+due_at" in await rig.store.explain(CAMPAIGNS.collection, {"state": "sending"}, "due_at")
