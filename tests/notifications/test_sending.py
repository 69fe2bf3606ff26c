"""What the mail server answers, and what becomes of a mail then."""

import asyncio
import random
from datetime import timedelta

import pytest

from services.notifications.domain import Delivery
from services.notifications.sending.delivering import said
from shared.contracts.notifications import MailFailed, MailSent
from tests.notifications.happenings import SUPPLIER, confirmed, registered
from tests.notifications.rig import Rig, rig_with, stop, told
from tests.notifications.sink import DROP, running_sink


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


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_the_server_does_nobody_gets_a_campaign_twice(seed: int):
    chance = random.Random(seed)
    async with running_sink() as sink, rig_with(sink) as rig:
        sink.rcpt = lambda _: chance.choice([None, None, None, "450 later", "421 busy", "550 5.1.1 nobody"])
        sink.data = lambda _: chance.choice([None, None, None, DROP, "451 later", "554 no"])
        await rig.subscribed(*(f"p{n}@forening.example" for n in range(40)))
        campaign_id = await rig.send_campaign()
        async with rig.running():
            campaign = await rig.finished(campaign_id, patience=60, minutes=30)
        got = [r.recipient for r in sink.received]
        assert len(got) == len(set(got))
        assert campaign.total == sum(campaign.outcome.values()) == 40
        assert campaign.outcome["sent"] <= len(got) <= campaign.outcome["sent"] + campaign.outcome["uncertain"]
