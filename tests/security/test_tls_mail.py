"""TLS to the mail server: STARTTLS and from the start, with the certificate looked at and no way round it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from services.notifications.composing.composer import Mail
from services.notifications.mailserver import parse_mail_server
from services.notifications.sending.smtp import Connection, MailServerAway, Taken
from tests.support.tls import Certificates, untrusted

MAIL = Mail("bounce@rummelig.example", "asta@forening.example", b"Subject: x\r\n\r\nx\r\n")


class Box:
    """What came, and whether it came over TLS."""

    def __init__(self) -> None:
        self.secured: list[bool] = []
        self.logins: list[str] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002
        assert server.transport is not None
        self.secured.append(server.transport.get_extra_info("sslcontext") is not None)
        return "250 taken"

    def login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:  # noqa: ARG002
        self.logins.append(mechanism)
        return AuthResult(success=True)


@asynccontextmanager
async def serving(
    box: Box, *, at_once: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """A mail server on 127.0.0.1; its port."""

    def session() -> SMTP:
        return SMTP(
            box,
            hostname="mail.example",
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=box.login,
            auth_require_tls=False,
            loop=asyncio.get_running_loop(),
        )

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", ssl=at_once)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        server.close_clients()
        await server.wait_closed()


async def send(url: str) -> object:
    connection = Connection(parse_mail_server(url), seconds=5, data_seconds=5)

    async def begin() -> None:
        """Nothing to note."""

    try:
        return await connection.send(MAIL, begin)
    finally:
        await connection.close()


type Serving = Callable[[Box, ssl.SSLContext], AbstractAsyncContextManager[int]]

WAYS: dict[str, tuple[str, Serving]] = {
    "from the start": ("smtps://127.0.0.1:{port}?", lambda box, context: serving(box, at_once=context)),
    "STARTTLS required": (
        "smtp://127.0.0.1:{port}?starttls=required&",
        lambda box, context: serving(box, starttls=context),
    ),
    "STARTTLS offered": ("smtp://127.0.0.1:{port}?", lambda box, context: serving(box, starttls=context)),
}


@pytest.mark.parametrize("way", WAYS)
async def test_mails_go_over_tls(certificates: Certificates, way: str):
    url, server = WAYS[way]
    box = Box()
    async with server(box, certificates.context()) as port:
        assert await send(f"{url.format(port=port)}cafile={certificates.ca}") == Taken()
    assert box.secured == [True]


@pytest.mark.parametrize("way", WAYS)
@untrusted
async def test_a_mail_server_that_cannot_show_who_it_is_gets_nothing(
    certificates: Certificates, way: str, certificate: str, authority: str | None, word: str
):
    url, server = WAYS[way]
    box = Box()
    async with server(box, certificates.context(getattr(certificates, certificate))) as port:
        cafile = f"cafile={getattr(certificates, authority)}" if authority else ""
        with pytest.raises(MailServerAway, match=word):
            await send(url.format(port=port) + cafile)
    assert box.secured == []


async def test_required_means_required():
    box = Box()
    async with serving(box) as port:
        with pytest.raises(MailServerAway, match=r"(?i)starttls"):
            await send(f"smtp://127.0.0.1:{port}?starttls=required")
    assert box.secured == []


async def test_a_password_does_not_go_in_the_clear_to_another_machine():
    """Of 127.0.0.2 the rule knows no more than of any other host; the server there offers no TLS."""
    box = Box()

    def session() -> SMTP:
        return SMTP(box, authenticator=box.login, auth_require_tls=False, loop=asyncio.get_running_loop())

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.2", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(MailServerAway) as away:
            await send(f"smtp://user:hemmelig@127.0.0.2:{port}")
        server.close_clients()
    assert (box.logins, box.secured) == ([], [])
    assert "hemmelig" not in str(away.value)
