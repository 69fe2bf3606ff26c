"""Leaving: one click (RFC 8058) or a page with one button; the same answer for any token."""

import re

import httpx
import pytest

from services.notifications.store import SUBSCRIBERS
from shared.contracts.notifications import SubscriberUnsubscribed
from shared.contracts.types import Topic
from shared.store.errors import Unavailable
from tests.notifications.rig import SITE, Rig
from tests.notifications.test_subscribing import consents

ASTA = "asta@forening.example"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
BAD = "/afmeld/" + "A" * 48


def url(rig: Rig, topic: Topic = "newsletter", email: str = ASTA) -> str:
    return rig.links.unsubscribe_url(rig.context.address_id(email), topic, "da")


async def topics(rig: Rig) -> tuple[str, ...]:
    subscriber = await rig.subscriber(ASTA)
    assert subscriber
    return subscriber.topics


async def click(browser: httpx.AsyncClient, address: str, *, multipart: bool = False) -> httpx.Response:
    if multipart:
        return await browser.post(address, files={"List-Unsubscribe": (None, "One-Click")})
    return await browser.post(address, data=ONE_CLICK)


@pytest.mark.parametrize("multipart", [False, True], ids=["urlencoded", "multipart"])
async def test_one_click(rig: Rig, multipart: bool):
    await rig.subscribed(ASTA)
    async with rig.http() as browser:
        for _ in range(2):
            page = await click(browser, url(rig), multipart=multipart)
            assert page.status_code == 200
            assert not page.history
            assert "set-cookie" not in page.headers
            assert await topics(rig) == ()
    await rig.harness.sweep()
    (event,) = rig.harness.told(SubscriberUnsubscribed)
    assert event.topics == ("newsletter",)
    assert event.left == ()
    (entry,) = await consents(rig)
    assert entry["action"] == "gave-up"


@pytest.mark.parametrize("multipart", [False, True], ids=["urlencoded", "multipart"])
async def test_a_bad_token_gets_the_same_answer(rig: Rig, multipart: bool):
    await rig.subscribed(ASTA)
    unknown = url(rig, email="nobody@forening.example")
    async with rig.http() as browser:
        good, bad, other = [await click(browser, each, multipart=multipart) for each in (url(rig), BAD, unknown)]
    assert good.status_code == bad.status_code == other.status_code == 200
    assert good.content == bad.content == other.content
    assert {k: v for k, v in good.headers.items() if k != "date"} == {
        k: v for k, v in bad.headers.items() if k != "date"
    }


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"scope=nonsense", b"a=1&" * 500])
async def test_the_address_alone_says_enough(rig: Rig, body: bytes):
    await rig.subscribed(ASTA)
    async with rig.http() as browser:
        for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""):
            page = await browser.post(url(rig), content=body, headers={"content-type": kind})
            assert page.status_code == 200, (kind, page.text)
    assert await topics(rig) == ()


async def test_looking_changes_nothing(rig: Rig):
    await rig.subscribed(ASTA)
    before = await rig.harness.dump()
    async with rig.http() as browser:
        for path in (url(rig), url(rig) + "?lang=en", BAD, "/", "/nyhedsbrev", "/nyhedsbrev?email=x"):
            for method in ("GET", "HEAD"):
                page = await browser.request(method, path)
                assert page.status_code == 200, path
                assert "set-cookie" not in page.headers
    assert await rig.harness.dump() == before


async def test_the_page_has_one_button_and_leaves_one_topic(rig: Rig):
    await rig.subscribed(ASTA)
    await click_all_but(rig, "guidance")
    async with rig.http() as browser:
        page = await browser.get(url(rig))
        assert page.text.count("<button") == 1
        assert "Nyhedsbrev" in page.text
        done = await browser.post(url(rig), data={"scope": "topic"})
    assert "Du er afmeldt" in done.text
    assert await topics(rig) == ("guidance",)


async def click_all_but(rig: Rig, topic: str) -> None:
    """Give the subscriber one more topic."""
    await rig.store.update(
        SUBSCRIBERS.collection, {"_id": rig.context.address_id(ASTA)}, set={"topics": ["newsletter", topic]}
    )


async def test_all_newsletters(rig: Rig):
    await rig.subscribed(ASTA)
    await click_all_but(rig, "guidance")
    async with rig.http() as browser:
        await browser.post(url(rig), data={"scope": "all"})
    assert await topics(rig) == ()
    await rig.harness.sweep()
    (event,) = rig.harness.told(SubscriberUnsubscribed)
    assert set(event.topics) == {"newsletter", "guidance"}


async def test_who_subscribes_again_can_leave_again_by_the_same_link(rig: Rig):
    await rig.subscribed(ASTA)
    async with rig.http() as browser:
        await click(browser, url(rig))
        await rig.ask(ASTA, "newsletter")
        (received,) = await rig.sent()
        (path,) = re.findall(rf"{SITE}(/bekraeft/\S+)", received.part("plain"))
        await browser.post(path)
        assert await topics(rig) == ("newsletter",)
        await click(browser, url(rig))
    assert await topics(rig) == ()


async def test_english_on_request(rig: Rig):
    await rig.subscribed(ASTA, language="en")
    address = rig.links.unsubscribe_url(rig.context.address_id(ASTA), "newsletter", "en")
    async with rig.http() as browser:
        assert "Do you want to unsubscribe?" in (await browser.get(address)).text
        assert "You are unsubscribed" in (await browser.post(address)).text


async def test_a_fault_of_ours_asks_to_come_again(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    await rig.subscribed(ASTA)

    async def away(*_: object, **__: object) -> None:
        raise Unavailable("the store is away")

    async with rig.http() as browser:
        with monkeypatch.context() as patch:
            patch.setattr(rig.store, "get", away)
            page = await click(browser, url(rig))
        assert page.status_code == 503
        assert "retry-after" in page.headers
        assert (await click(browser, url(rig))).status_code == 200
    assert await topics(rig) == ()
