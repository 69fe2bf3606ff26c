"""Campaigns: the audience is frozen, each gets it once, and the sum comes out."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from services.notifications.campaigns import Campaigns
from services.notifications.domain import OPEN, Campaign
from services.notifications.store import CAMPAIGNS, DELIVERIES
from shared.contracts.events import EventCancelled
from shared.contracts.notifications import CampaignFinished, SendCampaign
from shared.store.port import Between, In
from tests.notifications.happenings import announced, happened
from tests.notifications.rig import SITE, Rig, stop, told
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


async def test_its_headers(rig: Rig):
    await rig.subscribed(ASTA)
    await rig.send_campaign()
    (received,) = await rig.sent()
    mail = received.mail
    url = rig.links.unsubscribe_url(rig.context.address_id(ASTA), "newsletter", "da")
    raw = received.content.split(b"\r\n\r\n")[0].decode("ascii")
    assert f"\r\nList-Unsubscribe: <{url}>, <mailto:afmeld@rummelig.example?subject=" in raw
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Id"] == "Newsletter <newsletter.rummelig.example>"
    assert mail["From"] == "Rummelig <post@rummelig.example>"
    assert mail["To"] == ASTA
    assert mail["Subject"] == "Nyt fra Rummelig"
    assert mail["Auto-Submitted"] is None
    assert mail["Message-ID"] == (await rig.delivery()).message_id
    assert mail["Date"].datetime == rig.harness.now
    assert mail["MIME-Version"] == "1.0"
    assert mail.get_content_type() == "multipart/alternative"
    assert [p.get_content_type() for p in mail.iter_parts()] == ["text/plain", "text/html"]
    assert f"Afmeld ({url})" in received.part("plain")
    assert f'href="{url}"' in received.part("html")


async def test_markdown_becomes_text_and_html(rig: Rig):
    await rig.subscribed(ASTA)
    body = (
        "# Hej\n\nVi ses til **netværksmødet** [her](https://x.example/a?b=1&c=2).\n\n- et\n- to\n\n<script>x</script>"
    )
    await rig.send_campaign(subject="Ægte nyt – til dig", body=body)
    (received,) = await rig.sent()
    assert received.mail["Subject"] == "Ægte nyt – til dig"
    assert "Hej\n===\n\nVi ses til netværksmødet her (https://x.example/a?b=1&c=2).\n\n- et\n- to" in received.part(
        "plain"
    )
    html = received.part("html")
    assert "<strong>netværksmødet</strong>" in html
    assert 'href="https://x.example/a?b=1&amp;c=2"' in html
    assert "<script" not in html


async def test_each_in_the_own_language(rig: Rig):
    await rig.subscribed(ASTA)
    await rig.subscribed("emma@company.example", language="en")
    await rig.send_campaign()
    await rig.sent()
    assert "Du får mailen, fordi du har tilmeldt dig emnet Nyhedsbrev" in rig.sink.to(ASTA)[0].part("plain")
    english = rig.sink.to("emma@company.example")[0]
    assert "You get this mail because you subscribed to the topic Newsletter" in english.part("plain")
    assert "?lang=en>" in english.mail["List-Unsubscribe"]


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


async def test_a_network_event_is_announced_once(rig: Rig):
    await rig.subscribed(ASTA, topic="network-events")
    await rig.subscribed("emma@company.example", topic="network-events", language="en")
    for name in ("one", "two", "three"):
        await rig.harness.feed(announced(details={"description": "Kom og vær med."}), id=name)
    await rig.sent()
    (received,) = rig.sink.to(ASTA)
    assert received.mail["Subject"] == "Kom med: Tilbud og støtte til socialøkonomiske virksomheder"
    assert "tirsdag den 9. februar 2027 kl. 14.00–17.00" in received.part("plain")
    assert "Kom og vær med." in received.part("plain")
    assert "Tilmeld dig:\nhttps://rummelig.example/arrangementer/" in received.part("plain")
    assert received.mail["List-Id"] == "Network events <network-events.rummelig.example>"
    (english,) = rig.sink.to("emma@company.example")
    assert english.mail["Subject"] == "Join us: Tilbud og støtte til socialøkonomiske virksomheder"
    assert SITE in english.part("plain")


async def test_nothing_is_announced_that_has_begun(rig: Rig):
    await rig.subscribed(ASTA, topic="network-events")
    await rig.harness.feed(announced())
    rig.harness.now = datetime(2027, 2, 9, 13, tzinfo=UTC)
    assert await rig.sent() == []


@pytest.mark.parametrize("late", [False, True])
async def test_nothing_is_announced_that_was_called_off(rig: Rig, late: bool):
    await rig.subscribed(ASTA, topic="network-events")
    news = [announced(), happened(EventCancelled)]
    for event in reversed(news) if late else news:
        await rig.harness.feed(event, 1 + news.index(event))
    assert await rig.sent() == []


async def test_queries_use_their_indexes(rig: Rig):
    for where, order in (
        ({"lane": "transactional", "state": "queued", "due_at": Between(at_most=rig.harness.now)}, "due_at"),
        ({"campaign_id": "x", "state": "queued", "due_at": Between(at_most=rig.harness.now)}, "due_at"),
        ({"campaign_id": "x", "state": In(OPEN)}, "due_at"),
    ):
        assert "SEARCH i/deliveries/" in await rig.store.explain(DELIVERIES.collection, where, order)
    assert "state+due_at" in await rig.store.explain(CAMPAIGNS.collection, {"state": "sending"}, "due_at")
