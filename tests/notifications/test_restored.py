"""Mails after a backup came back: none goes out a second time, with the log of all events or without."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.notifications.app import create
from services.notifications.restored import hold, recall, settle_mails
from services.notifications.store import CAMPAIGNS, DELIVERIES
from shared.contracts.base import Envelope
from shared.contracts.notifications import CampaignFinished, MailFailed, MailSent, SubscriberUnsubscribed
from shared.messaging.publisher import Outgoing, Publisher
from shared.messaging.topology import EVENTS_LOG
from shared.store.backup import BackupError
from shared.store.work import INBOX
from tests.notifications.happenings import registered
from tests.notifications.rig import Rig, settings, told
from tests.support.harness import NOW


async def test_without_the_log_what_was_queued_is_uncertain_and_told(rig: Rig):
    await rig.harness.feed(registered(), id="cause-1")
    assert "1 mails are uncertain" in await hold(rig.store, NOW)
    assert await rig.sent() == []
    delivery = await rig.delivery()
    assert delivery.state == "uncertain"
    (event,) = rig.harness.told(MailFailed)
    assert (event.outcome, event.mail_id) == ("uncertain", delivery.id)
    assert "0 mails are uncertain" in await hold(rig.store, NOW)


async def test_without_the_log_a_campaign_that_was_going_out_ends_with_what_is_uncertain(rig: Rig):
    await rig.subscribed(*(f"{n}@laeser.example" for n in range(3)))
    campaign_id = await rig.send_campaign()
    while (await rig.campaign(campaign_id)).state == "preparing":
        await rig.campaigns().step()
    await hold(rig.store, NOW)
    assert await rig.sent() == []
    (event,) = rig.harness.told(CampaignFinished)
    assert (event.total, event.sent, event.uncertain) == (3, 0, 3)


async def test_without_the_log_a_campaign_in_the_making_is_called_off(rig: Rig):
    await rig.subscribed("a@laeser.example")
    campaign_id = await rig.send_campaign()
    assert "1 campaigns called off" in await hold(rig.store, NOW)
    rig.later(minutes=1)
    assert await rig.sent() == []
    assert (await rig.campaign(campaign_id)).state == "finished"
    assert await rig.store.find(CAMPAIGNS.collection, {"state": "preparing"}, order="due_at") == []


async def test_the_log_tells_what_was_queued_and_went_out(rig: Rig):
    await rig.harness.feed(registered(), id="cause-1")
    before = await rig.delivery()
    sent = MailSent(mail_id=before.id, kind=before.kind, cause=before.cause)
    await recall(rig.store, envelope(sent))
    assert await rig.sent() == []
    assert (await rig.delivery()).state == "sent"
    assert told(rig, "mail-sent") == [], "it was told before"


async def test_an_event_told_again_leads_to_no_second_mail(rig: Rig):
    """Its mail was queued and sent after the backup: only the log knows of it."""
    await rig.harness.feed(registered(), id="cause-1")
    before = await rig.delivery()
    await rig.store.delete(DELIVERIES.collection, {"_id": before.id})
    await rig.store.delete(INBOX, {"_id": "notifications.from.supplier:cause-1"})
    await recall(rig.store, envelope(MailSent(mail_id=before.id, kind=before.kind, cause=before.cause)))
    await rig.harness.feed(registered(), id="cause-1")
    assert await rig.sent() == []
    after = await rig.delivery()
    assert (after.state, after.recipient) == ("sent", "")


async def test_who_left_since_the_backup_stays_away(rig: Rig):
    await rig.subscribed("a@laeser.example", "b@laeser.example")
    gone = rig.context.address_id("a@laeser.example")
    await recall(rig.store, envelope(SubscriberUnsubscribed(subscriber_id=gone, topics=("newsletter",), left=())))
    await rig.send_campaign()
    assert [mail.recipient for mail in await rig.sent()] == ["b@laeser.example"]


async def test_the_log_counts_only_where_it_reaches_back_to_the_backup(broker: Any, tmp_path: Path):
    chosen = settings(store_url=f"sqlite:///{tmp_path}/n.db", amqp_url=broker.url("notifications"))
    service = create(chosen).state.service
    operator, now = Publisher(broker.url("operator"), "test-operator"), datetime.now(UTC)
    before, since = now - timedelta(hours=1), now - timedelta(minutes=1)
    await service.open_store()
    try:
        for at, name in ((before, "before"), (now, "since")):
            told = envelope(MailSent(mail_id=name, kind="k", cause="c")).model_copy(update={"time": at})
            await operator.publish(Outgoing("", EVENTS_LOG, told.to_json(), str(uuid.uuid4())))
        long_ago = before - timedelta(days=300)
        assert "does not reach back" in await settle_mails(service, long_ago, broker.url("operator"))
        assert "does not reach back" in await settle_mails(service, since, None)
        assert "the log of events told of" in await settle_mails(service, since, broker.url("operator"))
        assert await service.store.get(DELIVERIES.collection, "since")
        assert not await service.store.get(DELIVERIES.collection, "before")
        with pytest.raises(BackupError, match="cannot be read"):
            await settle_mails(service, since, "amqp://operator:wrong@127.0.0.1:1/")
    finally:
        await service.store.close()
        await operator.close()


def envelope(event: MailSent | SubscriberUnsubscribed) -> Envelope:
    return Envelope(
        id="told",
        source="/notifications",
        type=event.type(),
        time=NOW + timedelta(seconds=5),
        data=event.model_dump(mode="json"),
        aggregateversion=3,
    )
