"""One reused connection to the mail server, and what came of handing it a mail.

The answer to a mail is one of: Taken, Refused (a code says for now or for good), Unreached (the mail was not handed
over, so it may go again without harm), Doubtful (it was handed over, and no answer came).
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast

import aiosmtplib
from aiosmtplib.email import quote_address

from services.notifications.composing.composer import Mail
from services.notifications.composing.pattern import SIMPLE_ADDRESS
from services.notifications.mailserver import MailServer
from services.notifications.sending.dialogue import Broken, Dialogue, Reply

MOST_MAILS = 200
"""Over one connection; then a new one: servers tire of long ones."""
FRESH_SECONDS = 20.0
"""An idle connection that is older is asked whether it still stands."""
NOT_OURS = frozenset({454, 530, 534, 535, 538})
"""The server wants us to log in, or to do it better: our setting is wrong, not the mail."""
TAKEN = 250
GOES_ON = ((250,), (250, 251), (354,))
"""What lets MAIL, RCPT and DATA go on."""
ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")


class MailServerAway(Exception):
    """No connection that mails could go over: none is tried, none is at fault."""


class Crowded(MailServerAway):
    """The server is there and wants no further connection now."""


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
        self._dialogue: Dialogue | None = None
        self._pipelines = False
        self._connecting = False
        self._mails = 0
        self._used = 0.0

    @property
    def stands(self) -> bool:
        """Whether it is connected, as far as one knows, or just connects."""
        return self._connecting or (self._dialogue is not None and self._dialogue.stands)

    async def ready(self) -> None:
        """Connect, or see that the connection still stands. MailServerAway where there is none to be had."""
        await self._ready()

    async def _ready(self) -> Dialogue:
        if self._dialogue and self._mails < MOST_MAILS and await self._alive(self._dialogue):
            return self._dialogue
        await self.close()
        self._connecting = True
        try:
            self._dialogue = await self._connected()
        finally:
            self._connecting = False
        self._mails = 0
        return self._dialogue

    async def send(self, mail: Mail, begin: Callable[[], Awaitable[None]]) -> Answer:
        """Hand a mail over. `begin` is awaited right before the mail itself goes: from then on an answer is owed."""
        reused = self._dialogue is not None
        answer = await self._send(await self._ready(), mail, begin)
        if reused and isinstance(answer, Unreached):
            # The server may just have tired of the connection: that is no failed try.
            answer = await self._send(await self._ready(), mail, begin)
        return answer

    async def _send(self, dialogue: Dialogue, mail: Mail, begin: Callable[[], Awaitable[None]]) -> Answer:
        self._mails += 1
        begun = False
        try:
            if refused := await self._offered(dialogue, mail):
                return await self._refused(dialogue, refused, Unreached)
            dialogue.check()
            await begin()
            dialogue.content(mail.content)
            begun = True
            reply = await dialogue.reply(self._data_seconds)
            if reply.code != TAKEN:
                return await self._refused(dialogue, reply, Doubtful)
        except Broken as broken:
            dialogue.close()
            return Doubtful(str(broken)) if begun else Unreached(str(broken))
        except BaseException:
            dialogue.close()  # whatever it is: the dialogue is broken off in the middle
            raise
        self._used = asyncio.get_running_loop().time()
        return Taken()

    async def _offered(self, dialogue: Dialogue, mail: Mail) -> Reply | None:
        """Say whom it is from and to, until the server waits for the mail itself; else its first answer that is no yes.

        In one write where the server can take it so: then the next commands are out when the first is refused.
        """
        commands = (f"MAIL FROM:{_path(mail.sender)}", f"RCPT TO:{_path(mail.recipient)}", "DATA")
        replies: list[Reply] = []
        try:
            for group in [commands] if self._pipelines else [(command,) for command in commands]:
                dialogue.ask(*group)
                for command in group:
                    reply = await dialogue.reply(self._data_seconds if command == "DATA" else self._seconds)
                    replies.append(reply)
                if refused := _first_no(replies):
                    await self._end_data(dialogue, replies)
                    return refused
        except Broken:
            dialogue.close()
            if refused := _first_no(replies):  # who says 421 hangs up
                return refused
            raise
        return None

    async def _end_data(self, dialogue: Dialogue, replies: list[Reply]) -> None:
        """A server that waits for a mail to nobody gets none (RFC 2920 §3.1): a lone dot."""
        match replies:
            case [_, Reply(code=code), Reply(code=354)] if code >= 400:
                dialogue.no_content()
                await dialogue.reply(self._data_seconds)
            case [_, _, Reply(code=354)]:
                dialogue.close()  # it took the recipient: a dot would be an empty mail to it

    async def close(self) -> None:
        """Say goodbye."""
        dialogue, self._dialogue = self._dialogue, None
        if dialogue is None or not dialogue.stands:
            return
        with contextlib.suppress(Broken):
            dialogue.ask("QUIT")
            await dialogue.reply(2)
        dialogue.close()

    async def rest(self) -> None:
        """Close a connection that was not used for a while."""
        if self._dialogue and self._age() > FRESH_SECONDS:
            await self.close()

    def _age(self) -> float:
        return asyncio.get_running_loop().time() - self._used

    async def _alive(self, dialogue: Dialogue) -> bool:
        if not dialogue.stands:
            return False
        if self._age() <= FRESH_SECONDS:
            return True
        return await self._does(dialogue, "NOOP")

    async def _does(self, dialogue: Dialogue, command: str) -> bool:
        try:
            dialogue.ask(command)
            return (await dialogue.reply(self._seconds)).code == TAKEN
        except Broken:
            return False

    async def _connected(self) -> Dialogue:
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
            if client.is_ehlo_or_helo_needed:
                await _greet(client)
            if client.transport is None:
                raise aiosmtplib.SMTPServerDisconnected("connection lost")
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            client.close()
            away = Crowded if _not_now(error) else MailServerAway
            raise away(f"{server.host}:{server.port}: {type(error).__name__}: {error}") from None
        self._used = asyncio.get_running_loop().time()
        self._pipelines = client.supports_extension("pipelining")
        return Dialogue(cast("asyncio.Transport", client.transport))

    async def _refused(self, dialogue: Dialogue, reply: Reply, nonsense: type[Unreached | Doubtful]) -> Answer:
        if reply.code in NOT_OURS:
            await self.close()
            raise MailServerAway(f"{self._server.host} wants another login: {reply.code} {reply.text}")
        if reply.code < 400:
            dialogue.close()
            return nonsense(f"the server made no sense: {reply.code} {reply.text}")
        self._used = asyncio.get_running_loop().time()
        if not await self._does(dialogue, "RSET"):
            dialogue.close()
        return Refused(reply.code, reply.text)


def _path(address: str) -> str:
    return f"<{address}>" if SIMPLE_ADDRESS.fullmatch(address) else quote_address(address)


def _not_now(error: Exception) -> bool:
    return (
        isinstance(error, aiosmtplib.SMTPResponseException) and 400 <= error.code < 500 and error.code not in NOT_OURS
    )


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        await client.helo()


def _first_no(replies: Sequence[Reply]) -> Reply | None:
    """The first answer that is not what goes on."""
    return next((reply for reply, good in zip(replies, GOES_ON, strict=False) if reply.code not in good), None)
