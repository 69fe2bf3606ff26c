"""amqps:// to a real listener of RabbitMQ: the certificate is looked at, and what is wrong stands in /readyz."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import pytest

from shared.messaging.client import Client
from shared.service import Service
from tests.messaging import probe
from tests.messaging.probe import Add
from tests.support.running import running, until
from tests.support.tls import Certificates, untrusted

REPOSITORIES: list[Any] = [probe.COUNTERS, probe.SEEN]


@pytest.fixture
def listener(broker: Any, certificates: Certificates) -> Callable[..., int]:
    """Opens a TLS listener on the broker; its port."""
    if not hasattr(broker, "_system"):
        pytest.skip("a TLS listener is opened on the embedded node: a container's further ports are not published")

    def open_one(certificate: Path, *, ask_client: bool = False) -> int:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        verify = "verify_peer" if ask_client else "verify_none"
        options = (
            f'[{{cacertfile,"{certificates.ca}"}},{{certfile,"{certificate}"}},{{keyfile,"{certificate}"}},'
            f"{{verify,{verify}}},{{fail_if_no_peer_cert,{str(ask_client).lower()}}}]"
        )
        start = f'rabbit_networking:start_ssl_listener({{"127.0.0.1",{port}}},{options},10).'
        broker.control("eval", f"{{ok,_}}=application:ensure_all_started(ssl), {start}")
        return port

    return open_one


def secure(broker: Any, user: str, port: int, query: str) -> str:
    """The user's URL over TLS."""
    parts = urlsplit(broker.url(user))
    return f"amqps://{parts.username}:{parts.password}@127.0.0.1:{port}/?{query}"


async def told(service: Service, word: str) -> list[str]:
    """What /readyz says once it says this; never the password."""

    async def reasons() -> list[str]:
        return service.reasons()

    return await until(reasons, lambda found: word in str(found))


async def test_a_service_and_an_integrator_work_over_tls(broker, listener, certificates, tmp_path):
    port = listener(certificates.server)
    by_ca = f"cafile={certificates.ca}"
    async with (
        running(probe, REPOSITORIES, tmp_path, secure(broker, "operator", port, by_ca)),
        Client(secure(broker, "integrator", port, by_ca), timeout=15) as client,
    ):
        assert (await client.send(Add(counter="over-tls"))).ok


@untrusted
async def test_a_broker_that_cannot_show_who_it_is_gets_no_password(
    broker, listener, certificates, tmp_path, *, certificate, authority, word
):
    port = listener(getattr(certificates, certificate))
    query = f"cafile={getattr(certificates, authority)}" if authority else ""
    url = secure(broker, "operator", port, query)
    async with running(probe, REPOSITORIES, tmp_path, url, ready=False) as service:
        assert str(urlsplit(url).password) not in str(await told(service, word))


async def test_a_broker_that_wants_to_see_a_certificate_sees_one(broker, listener, certificates):
    port = listener(certificates.server, ask_client=True)
    query = f"cafile={certificates.ca}"
    with pytest.raises((aio_pika.exceptions.AMQPError, OSError)):
        await aio_pika.connect(secure(broker, "operator", port, query), timeout=5)
    own = f"{query}&certfile={certificates.client}&keyfile={certificates.client}"
    connection = await aio_pika.connect(secure(broker, "operator", port, own), timeout=5)
    await connection.close()


async def test_tls_is_not_left_out_where_the_broker_speaks_none(broker):
    plain = secure(broker, "operator", urlsplit(broker.url("operator")).port or 0, "")
    with pytest.raises((aio_pika.exceptions.AMQPError, OSError)):
        async with asyncio.timeout(10):
            await aio_pika.connect(plain, timeout=5)
