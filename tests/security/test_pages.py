"""Every page, as somebody hostile would use it: GET changes nothing, nothing follows a header, no cookie is set."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.events import messages, pages
from services.events.settings import Settings
from services.events.store import REPOSITORIES
from shared.contracts.events import SignupConfirmed
from shared.observability.metrics import Metrics
from shared.web.application import application
from tests.events.builders import LINKS, announced, person
from tests.notifications.rig import KEYS, Rig, rig_with
from tests.notifications.sink import running_sink
from tests.support.harness import Harness, harness

EVIL = "evil.hemmelig.example"
HOSTILE = {"Host": EVIL, "X-Forwarded-Host": EVIL, "X-Forwarded-Proto": "javascript", "Forwarded": f"host={EVIL}"}
QUERY = {"lang": "en", "next": f"https://{EVIL}/", "url": f"//{EVIL}", "x": '"><script>alert(1)</script>'}


@dataclass
class Site:
    """A service's pages with something in its store, and the path of each page."""

    harness: Harness
    browser: httpx.AsyncClient
    paths: list[str]


@pytest.fixture
async def news() -> AsyncIterator[Site]:
    async with running_sink() as sink, rig_with(sink) as rig, rig.http() as browser:
        yield Site(rig.harness, browser, await _news_paths(rig))


async def _news_paths(rig: Rig) -> list[str]:
    await rig.ask("asta@forening.example", "newsletter")
    await rig.subscribed("bo@forening.example")
    asta, bo = (rig.context.address_id(f"{name}@forening.example") for name in ("asta", "bo"))
    confirm = rig.links.confirm_url(asta, rig.harness.now + timedelta(days=7), "da")
    leave = rig.links.unsubscribe_url(bo, "newsletter", "da")
    return ["/", "/nyhedsbrev", *(httpx.URL(url).path for url in (confirm, leave))]


@pytest.fixture
async def events() -> AsyncIterator[Site]:
    async with harness(messages, REPOSITORIES, LINKS) as rig:
        event_id = await announced(rig)
        await rig.send(person(event_id, 1))
        (told,) = rig.told(SignupConfirmed)
        app = application(
            Settings.model_validate({"link_keys": KEYS, "http_burst": 1000}),
            Metrics("events"),
            list,
            pages.routes(rig.executor, LINKS),
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://moeder.example") as browser:
            yield Site(rig, browser, ["/", f"/arrangementer/{event_id}", httpx.URL(str(told.cancel_url)).path])


@pytest.fixture(params=["news", "events"])
def site(request: pytest.FixtureRequest) -> Site:
    found: Site = request.getfixturevalue(request.param)
    return found


async def test_opening_changes_nothing_however_it_is_done(site: Site):
    before = await site.harness.dump()
    for path in site.paths:
        for method in ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH"):
            answer = await site.browser.request(method, path, params=QUERY)
            assert answer.status_code in ((200,) if method in ("GET", "HEAD") else (405,)), (method, path)
    assert await site.harness.dump() == before


async def test_a_form_can_not_be_sent_by_opening_a_link(site: Site):
    before = await site.harness.dump()
    sent = {
        "email": "carla@forening.example",
        "topics": "newsletter",
        "name": "Carla",
        "attendance": "on-site",
        "_method": "POST",
    }
    for path in site.paths:
        await site.browser.get(path, params=sent, headers={"X-HTTP-Method-Override": "POST"})
    assert await site.harness.dump() == before


async def test_no_header_and_no_parameter_leads_anybody_elsewhere(site: Site):
    for path in site.paths:
        answer = await site.browser.get(path, params=QUERY, headers=HOSTILE)
        assert answer.status_code == 200
        assert "location" not in answer.headers
        links = set(re.findall(r'(?:href|action|src)="([^"]*)"', answer.text)) - {"data:,"}  # that no icon be asked for
        assert [link for link in links if link.startswith(("http", "//", "javascript:", "data:"))] == []
        assert "<script" not in answer.text


async def test_nothing_to_steal_and_nothing_to_ride_on(site: Site):
    """No cookie and no login: a form that another site sends could do no more than its visitor could."""
    for path in site.paths:
        for answer in (await site.browser.get(path), await site.browser.post(path)):
            headers = answer.headers
            assert "set-cookie" not in headers
            assert "access-control-allow-origin" not in headers
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
            assert headers["x-frame-options"] == "DENY"
            assert "form-action 'self'" in headers["content-security-policy"]
            assert "script-src" not in headers["content-security-policy"]
            assert not {"server", "x-powered-by"} & set(headers)


SPOILT: list[Any] = [
    lambda t: t[:-1],
    lambda t: t + "A",
    lambda t: t[:10] + "x" + t[11:],
    lambda t: t.swapcase(),
    str.upper,
]


async def test_a_link_that_was_touched_is_no_link(site: Site):
    before = await site.harness.dump()
    for path in [path for path in site.paths if len(path) > 40 and not path.startswith("/arrangementer")]:
        folder, _, token = path.rpartition("/")
        for spoil in SPOILT:
            for method in ("GET", "POST"):
                answer = await site.browser.request(method, f"{folder}/{spoil(token)}")
                assert answer.status_code == (200 if folder == "/afmeld" else 404), (method, folder)
    assert await site.harness.dump() == before
