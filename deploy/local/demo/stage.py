"""What the demo's story is played on: a client, the pages, the mailbox, the stores, and the list of checks."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import aio_pika
import httpx

from deploy.local.demo.mails import Mail, Mailbox
from shared.contracts.base import Command, Envelope, Reply
from shared.messaging.client import Client
from shared.store.port import Document, Store

PATIENCE_SECONDS = 30.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Check:
    """Something that came out, beside what should have."""

    name: str
    ok: bool
    expected: Any
    got: Any


@dataclass
class Stage:
    """The running system as the story sees it."""

    client: Client
    http: httpx.AsyncClient
    urls: Mapping[str, str]
    mailbox: Mailbox
    stores: Mapping[str, Store]
    quiet: bool = False
    events: list[Envelope] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    _told: int = 0
    _started: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """Tell the spectator."""
        if not self.quiet:
            print(text, flush=True)

    def scene(self, title: str) -> None:
        """Begin a part of the story."""
        self.say(f"\n{title}")

    async def send(self, command: Command, id: str | None = None) -> Reply:
        """Send a command and await its reply."""
        return await self.client.send(command, id=id)

    async def mails(self, to: str = "", wanted: Callable[[Mail], bool] = lambda _: True) -> list[Mail]:
        """The mails so far to an address (to anybody), of a kind."""
        every = await self.mailbox.mails()
        for mail in every[self._told :]:
            self.say(f"      ✉  {mail.to}: {mail.subject}")
        self._told = len(every)
        return [mail for mail in every if to in ("", mail.to) and wanted(mail)]

    async def mails_when(self, count: int, to: str = "", wanted: Callable[[Mail], bool] = lambda _: True) -> list[Mail]:
        """The same when there are at least so many, or after the patience is over."""
        return await self.until(lambda: self.mails(to, wanted), lambda found: len(found) >= count)

    def told(self, name: str) -> list[dict[str, Any]]:
        """The data of the events of one name so far, each once."""
        return [e.data for e in {e.id: e for e in self.events if e.type.split(".")[3] == name}.values()]

    async def told_when(self, name: str, count: int) -> list[dict[str, Any]]:
        """The same when there are at least so many, or after the patience is over."""

        async def look() -> list[dict[str, Any]]:
            return self.told(name)

        return await self.until(look, lambda found: len(found) >= count)

    async def until[T](self, look: Callable[[], Awaitable[T]], enough: Callable[[T], bool]) -> T:
        """Look again and again until it is enough, at most as long as the patience lasts; what was seen last."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not enough(seen := await look()) and time.monotonic() < deadline:  # noqa: ASYNC110 - other processes do it
            await asyncio.sleep(LOOK_SECONDS)
        return seen

    async def documents(self, service: str, collection: str) -> list[Document]:
        """Every document of a collection in a service's own store."""
        from shared.store.port import Collection

        return [document async for document in self.stores[service].everything(Collection(collection))]

    async def tally(self, service: str, collection: str, name: str) -> dict[Any, int]:
        """How many documents have which value of a field."""
        return dict(Counter(d.get(name) for d in await self.documents(service, collection)))

    def check(self, name: str, expected: Any, got: Any) -> None:
        """Note what came out."""
        ok = expected == got
        self.checks.append(Check(name, ok, expected, got))
        self.say(f"   {'✓' if ok else '✗'} {name}" + ("" if ok else f": expected {expected!r}, got {got!r}"))

    async def result(self) -> dict[str, Any]:
        """The outcome as `--json` prints it."""
        return {
            "ok": bool(self.checks) and all(c.ok for c in self.checks),
            "seconds": round(time.monotonic() - self._started, 1),
            "checks": [asdict(c) for c in self.checks],
            "mails": len(await self.mailbox.mails()),
        }


async def listen(url: str, services: list[str], events: list[Envelope]) -> aio_pika.abc.AbstractConnection:
    """Collect every event on a queue of the integrator's own, until the connection is closed."""
    connection = await aio_pika.connect(url)
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=100)
    queue = await channel.declare_queue(exclusive=True)
    for service in services:
        await queue.bind(f"{service}.events", "#")

    async def heard(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        events.append(Envelope.model_validate_json(message.body))
        await message.ack()

    await queue.consume(heard)
    return connection


def fail(text: str) -> int:
    """One line on stderr; the exit code."""
    print(text, file=sys.stderr)
    return 2
