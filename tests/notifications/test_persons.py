"""A recipient is erased: no mail goes any more, nothing tells who it was, and only the person comes back by himself."""

from datetime import timedelta

import pytest

from services.notifications.domain import Suppression
from services.notifications.store import CONSENTS, DELIVERIES, HEARD, SUBSCRIBERS, SUPPRESSIONS
from shared.contracts.base import Envelope
from shared.contracts.notifications import MailFailed, PersonErased, SubscriberUnsubscribed
from shared.contracts.person import ERASED_ADDRESS, ERASED_NAME
from shared.contracts.supplier import SupplierUpdated
from shared.store.port import Put
from tests.notifications.happenings import cancelled, confirmed, happened, matched, registered
from tests.notifications.rig import Rig
from tests.support.harness import NOW
from tests.support.persons import at_once, erase, export, traces

__all__ = ["at_once"]
pytestmark = pytest.mark.usefixtures("at_once")
ASTA, NAME = "asta@forening.example", "Asta Eksempel"


async def test_nothing_tells_of_the_person_any_more(rig: Rig):
    await rig.ask(ASTA, "newsletter")
    await rig.harness.feed(confirmed(email=ASTA, name=NAME))
    await rig.sent()
    result = await erase(rig.harness, ASTA.upper())
    assert result["erased"] == {"subscribers": 1, "consents": 1, "deliveries": 2}
    assert await traces(rig.harness, ASTA, NAME) == []
    assert await export(rig.harness, ASTA) != {}


async def test_the_proof_of_consent_stays_under_a_keyed_id(rig: Rig):
    await rig.ask(ASTA, "newsletter")
    await erase(rig.harness, ASTA)
    (consent,) = [d async for d in rig.store.everything(CONSENTS.collection)]
    assert consent["subscriber_id"] == rig.context.address_id(ASTA)
    assert (consent["action"], consent["topics"], consent["email"]) == ("asked", ["newsletter"], ERASED_ADDRESS)
    assert not any(consent["seen"].values())


async def test_what_waits_is_not_sent_and_counts_as_skipped(rig: Rig):
    await rig.subscribed(ASTA, "bo@forening.example")
    campaign = await rig.send_campaign()
    await rig.campaigns().step()
    await rig.harness.feed(confirmed(email=ASTA))
    await erase(rig.harness, ASTA)
    received = await rig.sent()
    assert [mail.recipient for mail in received] == ["bo@forening.example"]
    finished = await rig.campaign(campaign)
    assert finished.outcome == {"sent": 1, "failed": 0, "skipped": 1, "uncertain": 0}
    assert await traces(rig.harness, ASTA) == []


async def test_a_mail_that_is_being_handed_over_ends_as_uncertain(rig: Rig):
    """It may be out: it is neither sent again, nor does who hands it over write the address again."""
    await rig.harness.feed(confirmed(email=ASTA))

    document = await rig.delivery()
    sending = document.model_copy(update={"state": "sending", "version": 2})
    await rig.store.put(DELIVERIES.collection, [Put(sending.id, DELIVERIES.to_fields(sending, 2))])
    await erase(rig.harness, ASTA)
    after = await rig.delivery()
    assert (after.state, after.recipient, after.data, after.address_id) == ("uncertain", "", {}, "")
    late, _ = sending.sent(NOW)
    assert await rig.store.put(DELIVERIES.collection, [Put(late.id, DELIVERIES.to_fields(late, late.version))]) == [
        False
    ]
    assert [told.mail_id for told in rig.harness.told(MailFailed)] == [after.id]
    assert await rig.sent() == []


async def test_a_mail_about_the_person_to_somebody_else_does_not_go(rig: Rig):
    """A supplier's contact is erased while the buyer's mail about the match waits: there is nobody to answer to."""
    event = matched()
    await rig.harness.feed(event)
    await erase(rig.harness, event.supplier.email)
    assert await rig.sent() == []
    assert await traces(rig.harness, event.supplier.email) == []


async def test_topics_are_given_up_and_told(rig: Rig):
    await rig.subscribed(ASTA)
    await erase(rig.harness, ASTA, id="the-erasure")
    (gone,) = rig.harness.told(SubscriberUnsubscribed)
    assert (gone.topics, gone.left) == (("newsletter",), ())
    (told,) = rig.harness.told(PersonErased)
    assert (told.erasure_id, told.subjects) == ("the-erasure", (gone.subscriber_id,))
    assert ASTA not in str([e.data for e in rig.harness.events])


async def test_only_the_person_comes_back_and_by_the_link_alone(rig: Rig):
    await rig.subscribed(ASTA)
    await erase(rig.harness, ASTA)
    await rig.send_campaign()
    assert await rig.sent() == []
    await rig.ask(ASTA, "newsletter")
    (mail,) = await rig.sent()
    assert mail.recipient == ASTA
    found = await rig.subscriber(ASTA)
    assert found is not None
    assert (found.email, found.topics) == (ASTA, ())


async def test_an_event_from_before_leads_to_no_mail_however_it_comes(rig: Rig):
    """Late in a queue, or from a replay into a store that never saw it; who came back later is heard."""
    await erase(rig.harness, ASTA)
    old, new = confirmed(email=ASTA, name=NAME), confirmed(email=ASTA, signup_id="another")
    for number, (event, time) in enumerate([(old, NOW - timedelta(minutes=1)), (new, NOW + timedelta(minutes=1))]):
        data = event.model_dump(mode="json")
        envelope = Envelope(
            id=f"e{number}", source="/events", type=event.type(), time=time, data=data, aggregateversion=1
        )
        reply = await rig.harness.take(envelope)
        assert reply.ok == bool(number)
        assert len(await rig.deliveries()) == number
    assert [d["_id"] async for d in rig.store.everything(HEARD.collection)] == ["another"]


async def test_what_others_tell_of_one_who_was_erased_leads_to_no_mail(rig: Rig):
    """The other services mask the address in what they tell from then on."""
    await rig.harness.feed(cancelled(email=ERASED_ADDRESS, name=ERASED_NAME))
    await rig.harness.feed(registered(email=ERASED_ADDRESS))
    await rig.harness.feed(happened(SupplierUpdated, email=ERASED_ADDRESS), version=2)
    await rig.harness.feed(matched(buyer={"email": ERASED_ADDRESS}))
    assert await rig.deliveries() == []


async def test_a_suppressed_address_stays_so(rig: Rig):
    entry = Suppression(id=rig.context.address_id(ASTA), version=1, reason="complaint", detail="", at=NOW)
    await rig.store.put(SUPPRESSIONS.collection, [Put(entry.id, SUPPRESSIONS.to_fields(entry, 1))])
    result = await erase(rig.harness, ASTA)
    assert result["kept"] == {"erased": 1, "suppressions": 1}
    await rig.ask(ASTA, "newsletter")
    assert await rig.sent() == []
    assert [d async for d in rig.store.everything(SUBSCRIBERS.collection)] == []
