"""Double opt-in: nothing goes to anybody who did not press the button behind the link in a mail."""

import asyncio
import re
from typing import Any

from services.notifications.domain import TEXTS, Subscriber
from services.notifications.store import CONSENTS, DELIVERIES, SUBSCRIBERS
from shared.contracts.notifications import SubscribeResult, SubscriptionConfirmed
from tests.notifications.rig import SITE, Rig

ASTA = "asta@forening.example"
SAME = SubscribeResult().model_dump()


def link(text: str) -> str:
    (found,) = re.findall(rf"{SITE}(/bekraeft/\S+)", text)
    return str(found)


async def asta(rig: Rig) -> Subscriber:
    found = await rig.subscriber(ASTA)
    assert found
    return found


async def consents(rig: Rig) -> list[dict[str, Any]]:
    found = [d async for d in rig.store.everything(CONSENTS.collection)]
    return sorted(found, key=lambda d: d["at"])


async def test_the_link_in_the_mail_confirms(rig: Rig):
    reply = await rig.ask(ASTA, "newsletter", "network-events")
    assert reply.result == SAME
    (received,) = await rig.sent()
    assert received.recipient == ASTA
    assert "Nyhedsbrev" in received.part("plain")
    assert (await asta(rig)).topics == ()
    async with rig.http() as browser:
        page = await browser.get(link(received.part("plain")))
        assert page.text.count("<button") == 1
        assert "Netværksarrangementer" in page.text
        assert TEXTS["da"] in page.text
        assert (await asta(rig)).topics == ()
        done = await browser.post(link(received.part("plain")))
    assert "Du er tilmeldt" in done.text
    assert (await asta(rig)).topics == ("newsletter", "network-events")
    await rig.harness.sweep()
    (event,) = rig.harness.told(SubscriptionConfirmed)
    assert event.topics == ("newsletter", "network-events")
    assert ASTA not in str(event)


async def test_confirming_again_changes_nothing(rig: Rig):
    await rig.ask(ASTA, "newsletter")
    (received,) = await rig.sent()
    async with rig.http() as browser:
        pages = [await browser.post(link(received.part("plain"))) for _ in range(3)]
    assert len({page.text for page in pages}) == 1
    await rig.harness.sweep()
    assert len(rig.harness.told(SubscriptionConfirmed)) == 1
    assert sorted(str(c["action"]) for c in await consents(rig)) == ["asked", "confirmed"]


async def test_consent_is_logged_with_everything(rig: Rig):
    async with rig.http() as browser:
        browser.headers["user-agent"] = "Browser 1.0"
        await browser.post("/nyhedsbrev", data={"topics": ["newsletter"], "email": ASTA})
        (received,) = await rig.sent()
        rig.later(hours=1)
        await browser.post(link(received.part("plain")))
    asked, confirmed = await consents(rig)
    assert asked["action"] == "asked"
    assert asked["seen"] == {"page": f"{SITE}/nyhedsbrev", "ip": "127.0.0.1", "agent": "Browser 1.0"}
    assert confirmed["action"] == "confirmed"
    assert confirmed["seen"]["page"] == f"{SITE}/bekraeft"
    assert confirmed["text"] == TEXTS["da"]
    assert confirmed["text_version"]
    assert confirmed["at"] == rig.harness.now
    assert confirmed["email"] == ASTA
    assert confirmed["topics"] == ["newsletter"]


async def test_at_most_one_confirmation_mail_a_day(rig: Rig):
    for hours in (0, 1, 22):
        rig.later(hours=hours)
        assert (await rig.ask(ASTA, "newsletter")).result == SAME
    assert len(await rig.sent()) == 1
    rig.later(hours=1)
    assert (await rig.ask(ASTA, "newsletter")).result == SAME
    assert len(await rig.sent()) == 2


async def test_more_topics_within_a_day_join_what_the_link_confirms(rig: Rig):
    await rig.ask(ASTA, "newsletter")
    (received,) = await rig.sent()
    rig.later(hours=2)
    await rig.ask(ASTA, "guidance")
    assert len(await rig.sent()) == 1
    async with rig.http() as browser:
        assert "Vejledning" in (await browser.get(link(received.part("plain")))).text
        await browser.post(link(received.part("plain")))
    assert (await asta(rig)).topics == ("newsletter", "guidance")


async def test_the_link_works_for_seven_days(rig: Rig):
    await rig.ask(ASTA, "newsletter")
    (received,) = await rig.sent()
    rig.later(days=7)
    async with rig.http() as browser:
        for page in (await browser.get(link(received.part("plain"))), await browser.post(link(received.part("plain")))):
            assert page.status_code == 410
            assert "7 dage" in page.text
    assert (await asta(rig)).topics == ()


async def test_what_was_asked_for_long_ago_is_not_confirmed_by_a_new_link(rig: Rig):
    await rig.ask(ASTA, "newsletter")
    await rig.sent()
    rig.later(days=8)
    await rig.ask(ASTA, "guidance")
    received = (await rig.sent())[-1]
    async with rig.http() as browser:
        await browser.post(link(received.part("plain")))
    assert (await asta(rig)).topics == ("guidance",)


async def test_a_forged_link_confirms_nothing(rig: Rig):
    await rig.ask(ASTA, "newsletter")
    (received,) = await rig.sent()
    token = link(received.part("plain"))
    other = rig.links.unsubscribe_token(rig.context.address_id(ASTA), "newsletter")
    async with rig.http() as browser:
        for path in (f"{token[:-4]}AAAA", f"/bekraeft/{other}", "/bekraeft/x", "/bekraeft/" + "A" * 2000):
            assert (await browser.post(path)).status_code == 404
    assert (await asta(rig)).topics == ()


async def test_an_old_link_brings_nothing_back(rig: Rig):
    await rig.ask(ASTA, "newsletter")
    (received,) = await rig.sent()
    leave = rig.links.unsubscribe_url(rig.context.address_id(ASTA), "newsletter", "da")
    async with rig.http() as browser:
        await browser.post(link(received.part("plain")))
        await browser.post(leave)
        page = await browser.post(link(received.part("plain")))
    assert "Der er ikke noget at bekræfte" in page.text
    assert (await asta(rig)).topics == ()


async def test_who_has_the_topic_gets_no_mail_and_the_same_answer(rig: Rig):
    await rig.subscribed(ASTA)
    assert (await rig.ask(ASTA, "newsletter")).result == SAME
    assert await rig.sent() == []


async def test_a_suppressed_address_gets_no_mail_and_the_same_answer(rig: Rig, sink):
    sink.rcpt = lambda _: "550 5.1.1 no such mailbox"
    await rig.ask(ASTA, "newsletter")
    await rig.sent()
    sink.rcpt = lambda _: None
    rig.later(days=2)
    assert (await rig.ask(ASTA, "newsletter")).result == SAME
    assert await rig.sent() == []
    assert len(await rig.deliveries()) == 1


async def test_the_mail_says_nothing_that_the_asker_wrote(rig: Rig):
    await rig.harness.send_data(
        next(m for m in rig.harness.commands if m.message_name == "subscribe"),
        {
            "email": ASTA,
            "topics": ["newsletter"],
            "name": "Vind en telefon paa spam.example",
            "source": "https://spam.example",
        },
    )
    (received,) = await rig.sent()
    assert b"spam" not in received.content


async def test_twenty_requests_at_once_make_one_mail(rig: Rig):
    await asyncio.gather(*(rig.ask(ASTA, "newsletter") for _ in range(20)))
    assert len(await rig.sent()) == 1


async def test_the_same_command_again_is_the_same(rig: Rig):
    for _ in range(3):
        assert (await rig.ask(ASTA, "newsletter", id="one")).result == SAME
    assert len([d async for d in rig.store.everything(DELIVERIES.collection)]) == 1
    assert len([d async for d in rig.store.everything(SUBSCRIBERS.collection)]) == 1
    assert len(await consents(rig)) == 1


async def test_english_on_request(rig: Rig):
    await rig.ask(ASTA, "newsletter", language="en")
    (received,) = await rig.sent()
    assert received.mail["Subject"] == "Please confirm your subscription"
    assert received.mail["Content-Language"] == "en"
    path = link(received.part("plain"))
    async with rig.http() as browser:
        assert "Confirm your subscription" in (await browser.get(path)).text
        assert "You are subscribed" in (await browser.post(path)).text
    assert (await asta(rig)).language == "en"


async def test_a_mail_that_is_no_longer_wanted_is_not_sent(rig: Rig):
    await rig.ask(ASTA, "newsletter")
    async with rig.http() as browser:
        await browser.post(rig.links.unsubscribe_url(rig.context.address_id(ASTA), "newsletter", "da"))
    assert await rig.sent() == []
    assert (await rig.delivery()).state == "skipped"


async def test_addresses_are_one_whatever_their_case(rig: Rig):
    await rig.ask("Asta@Forening.example", "newsletter")
    await rig.ask(ASTA, "newsletter")
    assert len(await rig.sent()) == 1
