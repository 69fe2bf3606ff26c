"""A real Prometheus beside a real system: an event without a queue is an alert within 10 s (fault case 21)."""

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aio_pika
import httpx
import pytest

from deploy.local.home import Home
from deploy.local.system import System
from deploy.observability.__main__ import embedded as configuration
from shared.contracts.events import SignUp
from shared.messaging.client import Client
from tests.support.announcing import announced
from tests.support.embedded import Embedded, on_its_own
from tests.support.running import until

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is missing: Debian's package prometheus"),
]

QUEUE, KEY = "notifications.from.events", "signup-confirmed.v1"


@contextmanager
def prometheus(folder: Path, http: dict[str, str]) -> Iterator[str]:
    """Prometheus with our rules over these services, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = folder / "prometheus.yml"
    config.write_text(configuration(http, None))
    options = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["prometheus", *options], stdout=log, stderr=log)
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


async def asked(prometheus: str, expression: str) -> list[Any]:
    """What an expression is right now; nothing while Prometheus still starts."""
    async with httpx.AsyncClient() as http:
        try:
            answer = await http.get(f"{prometheus}/api/v1/query", params={"query": expression})
        except httpx.TransportError:
            return []
    return list(answer.json()["data"]["result"]) if answer.is_success else []


async def unbind(url: str) -> None:
    connection = await aio_pika.connect(url)
    channel = await (await connection.channel()).get_underlay_channel()
    await channel.queue_unbind(QUEUE, "events.events", KEY)
    await connection.close()


async def test_an_event_without_a_queue_is_an_alert_within_10_seconds(tmp_path: Path):
    home = Home(tmp_path / "home")
    running = System(home, services=["events", "notifications"], environment=on_its_own())
    with running:
        system = Embedded(running)
        await system.ready()
        with prometheus(tmp_path, system.http) as address:
            await until(lambda: asked(address, "sum(rummelig_ready) == 2"), patience=60)
            async with Client(system.url("integrator")) as client:
                event_id = await announced(client, "Uden kø", seats=2)
                await unbind(system.url("operator"))
                told = time.monotonic()
                sign_up = SignUp(event_id=event_id, name="Ada", email="ada@borger.example", attendance="on-site")
                assert (await client.send(sign_up)).ok
            firing = 'ALERTS{alertname="RummeligUnroutedEvents", alertstate="firing"}'
            await until(lambda: asked(address, firing), patience=30)
            assert time.monotonic() - told < 10
            # The consumer binds anew, and the event is sent: nobody has to look any more.
            await asyncio.to_thread(running.kill, "notifications")
            await until(lambda: asked(address, f"absent({firing})"), patience=60)
        mails = await until(system.mails)
        assert [mail.to for mail in mails] == ["ada@borger.example"]
