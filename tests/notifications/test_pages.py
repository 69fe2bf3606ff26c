"""The page to choose topics on."""

import asyncio

import pytest

from shared.web import even
from tests.notifications.rig import Rig

ASTA = "asta@forening.example"


async def test_the_form_asks_for_topics(rig: Rig):
    async with rig.http() as browser:
        form = await browser.get("/nyhedsbrev")
        assert form.text.count('type="checkbox"') == 5
        page = await browser.post("/nyhedsbrev", data={"topics": ["newsletter", "guidance"], "email": ASTA})
    assert page.status_code == 200
    assert "Se i din indbakke" in page.text
    subscriber = await rig.subscriber(ASTA)
    assert subscriber
    assert subscriber.ask
    assert subscriber.ask.topics == ("newsletter", "guidance")
    assert len(await rig.sent()) == 1


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"email": ASTA}, "Vælg mindst ét emne"),
        ({"topics": "newsletter", "email": "asta"}, "Skriv en hel e-mailadresse"),
        ({"topics": "newsletter", "email": "a@b.example, c@d.example"}, "Skriv en hel e-mailadresse"),
        ({"topics": "newsletter", "email": "a@b.example\r\nBcc: c@d.example"}, "Skriv en hel e-mailadresse"),
        ({"topics": "everything", "email": ASTA}, "Vælg mindst ét emne"),
        ({}, "Skriv en hel e-mailadresse"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_kept(rig: Rig, sent: dict[str, str], says: str):
    async with rig.http() as browser:
        page = await browser.post("/nyhedsbrev", data=sent)
    assert page.status_code == 422
    assert says in page.text
    assert not any((await rig.harness.dump()).values())


async def test_what_was_typed_is_shown_and_harmless(rig: Rig):
    async with rig.http() as browser:
        page = await browser.post("/nyhedsbrev", data={"topics": "guidance", "email": '"><script>alert(1)</script>'})
    assert "<script>" not in page.text
    assert 'value="guidance" checked' in page.text


async def test_the_answer_is_the_same_for_everybody(rig: Rig):
    await rig.subscribed(ASTA)
    loop = asyncio.get_running_loop()
    answers, seconds = [], []
    async with rig.http() as browser:
        for email in (ASTA, "ny@forening.example", "ny@forening.example"):
            start = loop.time()
            page = await browser.post("/nyhedsbrev", data={"topics": "newsletter", "email": email})
            seconds.append(loop.time() - start)
            answers.append((page.status_code, page.text.replace(email, "")))
    assert len(set(answers)) == 1
    assert max(seconds) - min(seconds) < 0.1


async def test_a_form_sent_a_thousand_times_sends_few_mails_and_says_when_to_come_back(rig: Rig, monkeypatch):
    monkeypatch.setattr(even, "SECONDS", 0.0)
    rig.settings = rig.settings.model_copy(update={"subscribe_burst": 20, "subscribe_rate": 1, "http_burst": 5000})
    async with rig.http() as browser:
        # A browser each time, as far as anybody can tell: a thousand people, or one who looks like them.
        pages = [
            await browser.post("/nyhedsbrev", data={"topics": "newsletter", "email": f"gaest{n}@forening.example"})
            for n in range(1000)
        ]
    assert [page.status_code for page in pages] == [200] * 20 + [503] * 980
    assert 1 <= int(pages[-1].headers["retry-after"]) <= 60
    assert len(await rig.deliveries()) == 20


async def test_one_connection_alone_gets_no_further_than_its_share(rig: Rig, monkeypatch):
    monkeypatch.setattr(even, "SECONDS", 0.0)
    rig.settings = rig.settings.model_copy(update={"http_burst": 5, "http_rate": 1})
    async with rig.http() as browser:
        sent = {"topics": "newsletter", "email": ASTA}
        pages = [await browser.post("/nyhedsbrev", data=sent) for _ in range(20)]
    assert [page.status_code for page in pages] == [200] * 5 + [429] * 15
    assert len(await rig.sent()) == 1


async def test_english_on_request(rig: Rig):
    async with rig.http() as browser:
        assert "News from Rummelig" in (await browser.get("/nyhedsbrev?lang=en")).text
        page = await browser.post("/nyhedsbrev?lang=en", data={"topics": "newsletter", "email": ASTA})
    assert "Look in your inbox" in page.text
    (received,) = await rig.sent()
    assert received.mail["Subject"] == "Please confirm your subscription"


async def test_the_address_of_who_asks_comes_from_a_trusted_proxy_only(rig: Rig):
    async with rig.http() as browser:
        await browser.post(
            "/nyhedsbrev", data={"topics": "newsletter", "email": ASTA}, headers={"x-forwarded-for": "192.0.2.7"}
        )
    (entry,) = (await rig.harness.dump())["consents"]
    assert entry["seen"]["ip"] == "127.0.0.1"
