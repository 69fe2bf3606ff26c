"""What the mail server answers, and what becomes of a mail then."""

import asyncio
import random
from datetime import timedelta

import pytest

from services.notifications.domain import Delivery
from services.notifications.sending.delivering import said
from services.notifications.store import DELIVERIES
from shared.contracts.notifications import MailFailed, MailSent
from tests.notifications.happenings import confirmed, registered
from tests.notifications.rig import Rig, rig_with, stop, told
from tests.notifications.sink import DROP, running_sink

SUPPLIER = "kontakt@genbrug.example"


async def one(rig: Rig) -> Delivery:
    await rig.sent()
    return await rig.delivery()


async def test_taken(rig: Rig):
    await rig.harness.feed(registered(), id="cause-1")
    delivery = await one(rig)
    assert delivery.state == "sent"
    (event,) = rig.harness.told(MailSent)
    assert (event.mail_id, event.kind, event.cause) == (delivery.id, "supplier-welcome", "cause-1")
    assert told(rig, "mail-sent")[0].correlationid == "cause-1"


async def test_the_return_address_tells_the_delivery(rig: Rig):
    from services.notifications.verp import delivery_of

    await rig.harness.feed(registered())
    delivery = await one(rig)
    sender = rig.sink.received[0].sender
    assert sender.startswith("bounce+")
    assert sender.endswith("@rummelig.example")
    assert len(sender.partition("@")[0]) <= 64
    assert delivery_of(sender.upper(), rig.context.address_key) == delivery.id
    assert delivery_of(sender, b"another key") is None
    assert delivery_of("bounce+xyz@rummelig.example", rig.context.address_key) is None


async def test_refused_for_good(rig: Rig):
    rig.sink.rcpt = lambda email: f"554 5.7.1 <{email}>: not wanted here"
    await rig.harness.feed(registered())
    delivery = await one(rig)
    assert (delivery.state, delivery.code) == ("failed", 554)
    rig.later(days=1)
    await rig.sent()
    (event,) = rig.harness.told(MailFailed)
    assert (event.outcome, event.code) == ("failed", 554)
    assert SUPPLIER not in event.reason
    assert "not wanted here" in event.reason


def test_what_the_server_says_can_be_kept_and_told():
    assert said("550 5.1.1 <asta@forening.example>:\n nobody \udce6") == "550 5.1.1 <***@forening.example>: nobody ?"
    assert len(said("x" * 10_000)) == 300


async def test_an_address_that_does_not_exist_gets_nothing_more(rig: Rig):
    rig.sink.rcpt = lambda _: "550 5.1.1 no such mailbox"
    await rig.harness.feed(registered())
    await rig.sent()
    rig.sink.rcpt = lambda _: None
    await rig.harness.feed(confirmed(email=SUPPLIER))
    await rig.sent()
    assert rig.sink.received == []
    assert (await rig.delivery("signup-confirmed")).reason == "suppressed"
    (entry,) = (await rig.harness.dump())["suppressions"]
    assert SUPPLIER not in str(entry)


async def test_another_refusal_does_not_suppress(rig: Rig):
    rig.sink.data = lambda _: "550 5.7.1 looks like spam"
    await rig.harness.feed(registered())
    await rig.sent()
    assert (await rig.harness.dump())["suppressions"] == []


@pytest.mark.parametrize("stage", ["rcpt", "data"])
async def test_not_now_means_later(rig: Rig, stage: str):
    setattr(rig.sink, stage, lambda _: "451 4.7.1 greylisted")
    await rig.harness.feed(registered())
    first = rig.harness.now
    delivery = await one(rig)
    assert (delivery.state, delivery.tries, delivery.code) == ("queued", 1, 451)
    assert timedelta(seconds=48) <= delivery.due_at - first <= timedelta(seconds=72)
    setattr(rig.sink, stage, lambda _: None)
    assert await rig.sent() == []
    rig.later(seconds=73)
    assert len(await rig.sent()) == 1
    assert rig.harness.told(MailFailed) == []


async def test_it_is_tried_for_five_days(rig: Rig):
    rig.sink.rcpt = lambda _: "450 4.2.1 mailbox busy"
    await rig.harness.feed(registered())
    start, pauses = rig.harness.now, []
    while (delivery := await one(rig)).state == "queued":
        pauses.append((delivery.due_at - rig.harness.now).total_seconds() / 60)
        rig.harness.now = delivery.due_at
    assert delivery.state == "failed"
    for pause, minutes in zip(pauses, (1, 5, 15, 60, 240, 480, 720, 720), strict=False):
        assert 0.8 * minutes <= pause <= 1.2 * minutes
    assert timedelta(days=4) < rig.harness.now - start <= timedelta(days=5)
    (event,) = rig.harness.told(MailFailed)
    assert f"given up after {len(pauses) + 1} tries" in event.reason


@pytest.mark.parametrize("code", [421, 432, 452])
async def test_a_busy_server_gets_a_rest_from_all(rig: Rig, code: int):
    rig.sink.rcpt = lambda _: f"{code} too much"
    await rig.harness.feed(registered(supplier_id="s1"), id="a")
    await rig.sent()
    rig.sink.rcpt = lambda _: None
    await rig.harness.feed(registered(supplier_id="s2", email="anden@genbrug.example"), id="b")
    jobs = asyncio.create_task(rig.dispatcher().run())
    for _ in range(20):
        await asyncio.sleep(0.01)
    assert rig.sink.received == []
    await stop(jobs)
    rig.later(seconds=6)
    assert len(await rig.sent()) == 1
    (throttle,) = (await rig.harness.dump())["throttles"]
    assert throttle["strikes"] == 0


async def test_a_lost_answer_means_one_more_mail_with_the_same_id(rig: Rig):
    answers = iter([DROP, None])
    rig.sink.data = lambda _: next(answers)
    await rig.harness.feed(registered())
    delivery = await one(rig)
    assert delivery.state == "sent"
    first, second = rig.sink.received
    assert first.mail["Message-ID"] == second.mail["Message-ID"] == delivery.message_id
    assert first.mail["Date"] == second.mail["Date"]


async def test_two_lost_answers_are_enough(rig: Rig):
    rig.sink.data = lambda _: DROP
    await rig.harness.feed(registered())
    delivery = await one(rig)
    assert delivery.state == "uncertain"
    assert len(rig.sink.received) == 2
    (event,) = rig.harness.told(MailFailed)
    assert event.outcome == "uncertain"


async def test_a_campaign_mail_with_a_lost_answer_never_goes_again(rig: Rig):
    rig.sink.data = lambda email: DROP if email == "a@forening.example" else None
    await rig.subscribed("a@forening.example", "b@forening.example")
    campaign_id = await rig.send_campaign()
    await rig.sent()
    assert len(rig.sink.to("a@forening.example")) == 1
    campaign = await rig.campaign(campaign_id)
    assert campaign.outcome == {"sent": 1, "failed": 0, "skipped": 0, "uncertain": 1}


async def test_connections_are_reused_and_few(rig: Rig):
    await rig.subscribed(*(f"p{n}@forening.example" for n in range(40)))
    rig.sink.seconds = 0.005
    await rig.send_campaign()
    async with rig.running(smtp_connections=3):
        await rig.settled()
    assert len(rig.sink.received) == 40
    assert rig.sink.most_at_once == 3
    assert rig.sink.connections <= 5  # three, and the looks whether the server is there


async def test_mails_wait_while_the_server_is_away(rig: Rig):
    await rig.sink.stop()
    async with rig.running():
        await rig.harness.feed(registered())
        await rig.subscribed("a@forening.example")
        await rig.send_campaign()
        async with asyncio.timeout(5):
            while rig.away is None:
                await asyncio.sleep(0.01)
        assert "127.0.0.1" in str(rig.away)
        await rig.sink.start()
        await rig.sink.mails(2)
        await rig.settled()
        assert not rig.away
    assert {d.tries for d in await rig.deliveries()} == {0}


async def test_a_server_that_goes_away_in_the_middle_costs_no_mail(rig: Rig):
    await rig.subscribed(*(f"p{n}@forening.example" for n in range(30)))
    rig.sink.seconds = 0.01
    campaign_id = await rig.send_campaign()
    async with rig.running(mail_retry_delays=(0.05,)):
        await rig.sink.mails(8)
        await rig.sink.stop()
        async with asyncio.timeout(10):
            while rig.away is None:
                await asyncio.sleep(0.01)
        await rig.sink.start()
        rig.later(seconds=60)
        async with asyncio.timeout(20):
            while (await rig.campaign(campaign_id)).state != "finished":
                rig.later(seconds=1)
                await asyncio.sleep(0.02)
    campaign = await rig.campaign(campaign_id)
    got = [r.recipient for r in rig.sink.received]
    assert len(got) == len(set(got))
    assert campaign.outcome["sent"] + campaign.outcome["uncertain"] == 30
    assert len(got) >= campaign.outcome["sent"]


async def test_a_login_that_is_refused_burns_no_try(rig: Rig):
    rig.sink.rcpt = lambda _: "530 5.7.0 authentication required"
    await rig.harness.feed(registered())
    async with rig.running():
        async with asyncio.timeout(5):
            while rig.away is None:
                await asyncio.sleep(0.01)
    assert (await rig.delivery()).tries == 0
    assert (await rig.delivery()).state == "queued"


async def test_a_stop_finishes_what_is_being_handed_over(rig: Rig):
    await rig.subscribed(*(f"p{n}@forening.example" for n in range(20)))
    rig.sink.seconds = 0.1
    await rig.send_campaign()
    async with rig.running(smtp_connections=4):
        await rig.sink.mails(4)
    states = [d.state for d in await rig.deliveries()]
    assert "sending" not in states
    assert states.count("sent") == len(rig.sink.received)
    assert all(d.due_at <= rig.harness.now for d in await rig.deliveries() if d.state == "queued")


async def test_what_a_dead_worker_had_begun(rig: Rig):
    """Transactional: once more. Campaign: uncertain."""
    await rig.subscribed("a@forening.example")
    await rig.harness.feed(registered())
    campaign_id = await rig.send_campaign()
    await rig.campaigns().step()
    for delivery in await rig.deliveries():
        await rig.store.update(
            DELIVERIES.collection,
            {"_id": delivery.id},
            set={"state": "sending", "claimed_by": "dead", "due_at": rig.harness.now + timedelta(seconds=20)},
            increment={"version": 1},
        )
    async with rig.running():
        await rig.sink.mails(1)
        await rig.settled()
    (received,) = rig.sink.received
    assert received.recipient == SUPPLIER
    assert (await rig.delivery("supplier-welcome")).doubts == 1
    assert (await rig.campaign(campaign_id)).outcome["uncertain"] == 1


async def test_a_slow_server_is_no_dead_worker(rig: Rig):
    rig.sink.seconds = 1.5  # the lease is 0.4
    await rig.harness.feed(registered())
    async with rig.running():
        other = asyncio.create_task(rig.dispatcher().run())
        await rig.sink.mails(1)
        await rig.settled()
        await stop(other)
    assert len(rig.sink.received) == 1
    assert (await rig.delivery()).doubts == 0


async def test_what_a_dead_worker_had_claimed_and_not_begun_goes_once(rig: Rig):
    await rig.harness.feed(registered())
    await rig.store.claim(
        DELIVERIES.collection,
        {"lane": "transactional", "state": "queued"},
        due="due_at",
        now=rig.harness.now,
        until=rig.harness.now + timedelta(seconds=20),
        by="dead",
        limit=10,
    )
    rig.later(seconds=21)
    assert len(await rig.sent()) == 1


async def test_two_workers_share(rig: Rig):
    await rig.subscribed(*(f"p{n}@forening.example" for n in range(50)))
    rig.sink.seconds = 0.003
    await rig.send_campaign()
    async with rig.running():
        other = asyncio.create_task(rig.dispatcher().run())
        await rig.settled()
        await stop(other)
    got = [r.recipient for r in rig.sink.received]
    assert len(got) == len(set(got)) == 50


async def test_a_template_that_fails_stops_no_other_mail(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    from services.notifications.composing.views import VIEWS

    def broken(*_: object) -> dict[str, object]:
        raise KeyError("mended tomorrow")

    with monkeypatch.context() as patch:
        patch.setitem(VIEWS, "supplier-welcome", broken)
        await rig.harness.feed(registered())
        await rig.harness.feed(confirmed())
        await rig.sent()
    assert [r.recipient for r in rig.sink.received] == ["asta@forening.example"]
    rig.later(minutes=2)
    await rig.sent()
    assert len(rig.sink.to(SUPPLIER)) == 1


async def test_the_rate_is_kept():
    async with running_sink() as sink, rig_with(sink, smtp_rate=1, smtp_burst=5) as rig:
        await rig.subscribed(*(f"p{n}@forening.example" for n in range(12)))
        await rig.send_campaign()
        async with rig.running():
            await sink.mails(5)
            await rig.harness.feed(registered())
            await sink.mails(6)  # transactional: does not wait
            for _ in range(10):
                await asyncio.sleep(0.01)
            assert len(sink.received) == 6
            rig.later(seconds=3)  # pays the debt of one back, and two more
            await sink.mails(8)
            for _ in range(10):
                await asyncio.sleep(0.01)
            assert len(sink.received) == 8
            rig.later(seconds=60)
            await sink.mails(10)
            rig.later(seconds=60)
            await rig.settled()
        assert len(sink.received) == 13


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_the_server_does_nobody_gets_a_campaign_twice(seed: int):
    chance = random.Random(seed)
    async with running_sink() as sink, rig_with(sink) as rig:
        sink.rcpt = lambda _: chance.choice([None, None, None, "450 later", "421 busy", "550 5.1.1 nobody"])
        sink.data = lambda _: chance.choice([None, None, None, DROP, "451 later", "554 no"])
        await rig.subscribed(*(f"p{n}@forening.example" for n in range(40)))
        campaign_id = await rig.send_campaign()
        async with rig.running():
            async with asyncio.timeout(60):
                while (await rig.campaign(campaign_id)).state != "finished":
                    rig.later(minutes=30)
                    await asyncio.sleep(0.03)
        got = [r.recipient for r in sink.received]
        assert len(got) == len(set(got))
        campaign = await rig.campaign(campaign_id)
        assert campaign.total == sum(campaign.outcome.values()) == 40
        assert campaign.outcome["sent"] <= len(got) <= campaign.outcome["sent"] + campaign.outcome["uncertain"]
