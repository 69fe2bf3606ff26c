"""Personal data go when their purpose is over."""

from services.notifications.forgetting import forget_mails, forget_unconfirmed
from services.notifications.store import SUBSCRIBERS
from tests.notifications.rig import Rig
from tests.notifications.test_subscribing import ASTA, consents, link


async def forget(rig: Rig) -> int:
    return await forget_unconfirmed(rig.store, rig.harness.now)


async def test_who_never_confirmed_is_forgotten_after_thirty_days(rig: Rig):
    await rig.ask(ASTA, "newsletter")
    await rig.ask("bo@forening.example", "newsletter")
    rig.later(days=29)
    await rig.ask("bo@forening.example", "guidance")
    assert await forget(rig) == 0
    rig.later(days=2)
    assert await forget(rig) == 1
    assert await rig.subscriber(ASTA) is None
    assert await rig.subscriber("bo@forening.example")
    assert {c["email"] for c in await consents(rig)} == {"bo@forening.example"}


async def test_who_confirmed_keeps_topics_and_proof(rig: Rig):
    await rig.ask(ASTA, "newsletter")
    (received,) = await rig.sent()
    async with rig.http() as browser:
        await browser.post(link(received.part("plain")))
        await rig.ask(ASTA, "guidance")
        rig.later(days=31)
        assert await forget(rig) == 1
        subscriber = await rig.subscriber(ASTA)
        assert subscriber
        assert (subscriber.topics, subscriber.ask) == (("newsletter",), None)
        await browser.post(rig.links.unsubscribe_url(subscriber.id, "newsletter", "da"))
    await rig.ask(ASTA, "portal")
    rig.later(days=31)
    assert await forget(rig) == 1
    assert "confirmed" in {c["action"] for c in await consents(rig)}
    assert len([d async for d in rig.store.everything(SUBSCRIBERS.collection)]) == 1


async def test_mails_keep_no_address_for_ever(rig: Rig):
    await rig.subscribed(ASTA)
    campaign_id = await rig.send_campaign()
    await rig.sent()
    rig.later(days=89)
    assert await forget_mails(rig.store, rig.harness.now) == 0
    rig.later(days=1)
    assert await forget_mails(rig.store, rig.harness.now) == 1
    assert await forget_mails(rig.store, rig.harness.now) == 0
    delivery = await rig.delivery()
    assert (delivery.state, delivery.recipient, delivery.campaign_id) == ("sent", "", campaign_id)
    assert ASTA not in str(delivery)
