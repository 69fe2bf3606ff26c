"""The service as it is started: settings, readiness, pages; no broker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from services.notifications.app import create
from services.notifications.settings import Settings
from shared.settings import load
from tests.notifications.rig import settings
from tests.notifications.sink import Sink
from tests.support.running import until


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_URL", "http://mail.example"),
        ("SMTP_URL", "smtps://mail.example?cafile=/none.pem"),
        ("SMTP_URL", "smtps://mail.example?verify=no"),
        ("MAIL_FROM", "nobody"),
        ("MAIL_FROM", "a@b.example, c@d.example"),
        ("SMTP_CONNECTIONS", "0"),
        ("DKIM_KEY", "nonsense"),
        ("MAIL_RETRY_DELAYS", "60,x"),
        ("LINK_KEYS", ""),
    ],
)
def test_an_invalid_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
):
    monkeypatch.setenv("NOTIFICATIONS_LINK_KEYS", "k1:only-for-tests-0123456789")
    monkeypatch.setenv(f"NOTIFICATIONS_{name}", value)
    with pytest.raises(SystemExit) as stopped:
        load(Settings)
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"NOTIFICATIONS_{name}" in line


@asynccontextmanager
async def serving(sink: Sink, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The service, without a broker; a browser on its pages."""
    chosen = settings(
        smtp_url=SecretStr(f"smtp://127.0.0.1:{sink.port}"),
        store_url=SecretStr(f"sqlite:///{folder / 'n.db'}"),
        amqp_url=SecretStr("amqp://notifications:x@127.0.0.1:9/"),
        log_level="error",
    )
    app = create(chosen)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test.example") as browser,
    ):
        yield browser


async def test_it_sends_and_serves_without_a_broker(sink: Sink, tmp_path):
    async with serving(sink, tmp_path) as browser:
        await ready_but(browser, "broker")
        page = await browser.post("/nyhedsbrev", data={"topics": "newsletter", "email": "asta@forening.example"})
        assert page.status_code == 200
        await sink.mails(1)
        await sink.stop()

        async def metrics() -> str:
            return (await browser.get("/metrics")).text

        sent = 'rummelig_mails_total{kind="confirm-subscription",outcome="sent"} 1.0'
        await until(metrics, lambda found: sent in found)


async def test_readiness_tells_of_the_mail_server(sink: Sink, tmp_path):
    await sink.stop()
    async with serving(sink, tmp_path) as browser:
        await ready_but(browser, "mail server: 127.0.0.1")
        assert (await browser.get("/nyhedsbrev")).status_code == 200
        await sink.start()
        await until(partial(reasons, browser), lambda said: not any("mail server" in each for each in said))


async def reasons(browser: httpx.AsyncClient) -> list[str]:
    """Why it is not ready, as /readyz tells."""
    found: list[str] = (await browser.get("/readyz")).json()["reasons"]
    return found


async def ready_but(browser: httpx.AsyncClient, reason: str) -> None:
    """Wait until the store is open and this reason is told."""

    def told(said: list[str]) -> bool:
        return any(reason in each for each in said) and not any("store" in each for each in said)

    await until(partial(reasons, browser), told)
