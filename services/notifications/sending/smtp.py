"""One reused connection to the mail server, and what came of handing it a mail.

The answer to a mail is one of: Taken, Refused (a code says for now or for good), Unreached (the mail was not handed
over, so it may go again without harm), Doubtful (it was handed over, and no answer came).
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiosmtplib

from services.notifications.composing.composer import Mail
from services.notifications.mailserver import MailServer

MOST_MAILS = 200
"""Over one connection; then a new one: servers tire of long ones."""
FRESH_SECONDS = 20.0
"""An idle connection that is older is asked whether it still stands."""
NOT_OURS = frozenset({454, 530, 534, 535, 538})
"""The server wants us to log in, or to do it better: our setting is wrong, not the mail."""
ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")


class MailServerAway(Exception):
    """No connection that mails could go over: none is tried, none is at fault."""


class NotMine(Exception):
    """Raised by `begin` where somebody else has the mail by now: it is not handed over."""


@dataclass(frozen=True)
class Taken:
    """The server has it."""


@dataclass(frozen=True)
class Refused:
    """The server said no, with this code and text."""

    code: int
    text: str

    @property
    def for_good(self) -> bool:
        """Whether trying again is of no use."""
        return self.code >= 500

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463), if it gave one."""
        found = ENHANCED.search(self.text)
        return found[1] if found else ""


@dataclass(frozen=True)
class Unreached:
    """The connection broke before the mail was handed over."""

    reason: str


@dataclass(frozen=True)
class Doubtful:
    """The connection broke after the mail was handed over and before the server said that it has it."""

    reason: str


type Answer = Taken | Refused | Unreached | Doubtful


class Connection:
    """Connects when there is something to send. Used by one task at a time."""

    def __init__(self, server: MailServer, *, seconds: float, data_seconds: float) -> None:
        self._server = server
        self._seconds = seconds
        self._data_seconds = data_seconds
        self._client: aiosmtplib.SMTP | None = None
        self._mails = 0
        self._used = 0.0

    async def ready(self) -> None:
        """Connect, or see that the connection still stands. MailServerAway where there is none to be had."""
        await self._ready()

    async def _ready(self) -> aiosmtplib.SMTP:
        if self._client and self._mails < MOST_MAILS and await self._stands(self._client):
            return self._client
        await self.close()
        self._client = await self._connected()
        self._mails = 0
        return self._client

    async def send(self, mail: Mail, begin: Callable[[], Awaitable[None]]) -> Answer:
        """Hand a mail over. `begin` is awaited right before the mail itself goes: from then on an answer is owed."""
        reused = self._client is not None
        answer = await self._send(await self._ready(), mail, begin)
        if reused and isinstance(answer, Unreached):
            # The server may just have tired of the connection: that is no failed try.
            answer = await self._send(await self._ready(), mail, begin)
        return answer

    async def _send(self, client: aiosmtplib.SMTP, mail: Mail, begin: Callable[[], Awaitable[None]]) -> Answer:
        begun = False
        self._mails += 1
        try:
            await client.mail(mail.sender)
            await client.rcpt(mail.recipient)
            await begin()
            begun = True
            await client.data(mail.content, timeout=self._data_seconds)
        except aiosmtplib.SMTPResponseException as error:
            return await self._refused(client, error, begun=begun)
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            reason = f"{type(error).__name__}: {error}"
            return Doubtful(reason) if begun else Unreached(reason)
        except BaseException:
            client.close()  # whatever it is: the dialogue is broken off in the middle
            raise
        self._used = asyncio.get_running_loop().time()
        return Taken()

    async def close(self) -> None:
        """Say goodbye."""
        client, self._client = self._client, None
        if client is None or not client.is_connected:
            return
        try:
            await client.quit(timeout=2)
        except (aiosmtplib.SMTPException, OSError):
            client.close()

    async def rest(self) -> None:
        """Close a connection that was not used for a while."""
        if self._client and self._age() > FRESH_SECONDS:
            await self.close()

    def _age(self) -> float:
        return asyncio.get_running_loop().time() - self._used

    async def _stands(self, client: aiosmtplib.SMTP) -> bool:
        if not client.is_connected:
            return False
        if self._age() <= FRESH_SECONDS:
            return True
        try:
            await client.noop(timeout=self._seconds)
        except (aiosmtplib.SMTPException, OSError):
            return False
        return True

    async def _connected(self) -> aiosmtplib.SMTP:
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.tls,
            start_tls=server.start_tls,
            validate_certs=True,
            cert_bundle=server.cafile,
            timeout=self._seconds,
        )
        try:
            await client.connect()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            client.close()
            raise MailServerAway(f"{server.host}:{server.port}: {type(error).__name__}: {error}") from None
        self._used = asyncio.get_running_loop().time()
        return client

    async def _refused(
        self, client: aiosmtplib.SMTP, error: aiosmtplib.SMTPResponseException, *, begun: bool
    ) -> Answer:
        if error.code in NOT_OURS:
            await self.close()
            raise MailServerAway(f"{self._server.host} wants another login: {error.code} {error.message}")
        if error.code < 400:
            client.close()
            reason = f"the server made no sense: {error.code} {error.message}"
            return Doubtful(reason) if begun else Unreached(reason)
        self._used = asyncio.get_running_loop().time()
        try:
            await client.rset(timeout=self._seconds)
        except (aiosmtplib.SMTPException, OSError):
            client.close()
        return Refused(error.code, str(error.message))
