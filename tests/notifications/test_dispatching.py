"""Who hands the mails over: connections, rates, mail servers and workers that go away."""

import asyncio
from datetime import timedelta

import pytest

from services.notifications.store import DELIVERIES
from tests.notifications.happenings import SUPPLIER, confirmed, registered
from tests.notifications.rig import Rig, rig_with, stop
from tests.notifications.sink import running_sink


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
        assert "127.0.0.1" in await rig.cut_off()
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
        await rig.cut_off()
        await rig.sink.start()
        rig.later(seconds=60)
        campaign = await rig.finished(campaign_id, seconds=1)
    got = [r.recipient for r in rig.sink.received]
    assert len(got) == len(set(got))
    assert campaign.outcome["sent"] + campaign.outcome["uncertain"] == 30
    assert len(got) >= campaign.outcome["sent"]


async def test_a_login_that_is_refused_burns_no_try(rig: Rig):
    rig.sink.rcpt = lambda _: "530 5.7.0 authentication required"
    await rig.harness.feed(registered())
    async with rig.running():
        await rig.cut_off()
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
