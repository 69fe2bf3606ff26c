"""The mails of campaigns, announcements of network events among them: what stands in them, and in whose language."""

from datetime import UTC, datetime

import pytest

from shared.contracts.events import EventCancelled
from tests.notifications.happenings import announced, happened
from tests.notifications.rig import SITE, Rig

ASTA = "asta@forening.example"


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
