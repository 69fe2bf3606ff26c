"""A TCP relay in front of the broker whose network a test spoils: bytes that wait, connections that never answer."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

CHUNK = 65_536


class Tap:
    """What happens on the way; a test turns the knobs. Connections are counted from 1, in the order of connecting."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._open: defaultdict[int, asyncio.Event] = defaultdict(_opened)
        self.answered = 1_000_000
        """How many connections get through; further ones are taken and never answered, as by a host that died."""
        self.refusing = False
        """Whether new connections are broken off at once."""
        self.delay = 0.0
        """Seconds that whatever passes is late, either way."""
        self.held = 0
        """Bytes for the broker that wait, or waited, in a frozen connection."""
        self.url = ""
        self.taken = 0
        self._ends: set[asyncio.StreamWriter] = set()

    def freeze(self, *connections: int) -> None:
        """Nothing passes on these (on all) any more, and nobody is told: not even that the other end has hung up."""
        for number in connections or range(1, self.taken + 1):
            self._open[number].clear()

    def thaw(self) -> None:
        """What waited goes on."""
        for each in self._open.values():
            each.set()

    def unplug(self) -> None:
        """As when a cable is pulled: nothing passes, and new connections are not answered."""
        self.freeze()
        self.answered = self.taken

    def plug(self) -> None:
        """The network is back, also for new connections."""
        self.answered = 1_000_000
        self.thaw()

    def cut(self) -> None:
        """Break all connections."""
        for end in self._ends:
            end.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.taken += 1
        number = self.taken
        self._ends.add(writer)
        if number > self.answered:
            return
        try:
            if self.refusing:
                raise ConnectionRefusedError
            up_reader, up_writer = await asyncio.open_connection(self._url.hostname, self._url.port)
        except OSError:
            writer.close()
            self._ends.discard(writer)
            return
        self._ends.add(up_writer)
        ways = [self._pass(number, reader, up_writer, up=True), self._pass(number, up_reader, writer, up=False)]
        await asyncio.wait([asyncio.create_task(way) for way in ways], return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, up_writer):
            end.close()
            self._ends.discard(end)

    async def _pass(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if up and not self._open[number].is_set():
                    self.held += len(data)
                await self._open[number].wait()
                await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
            await self._open[number].wait()


def _opened() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@asynccontextmanager
async def tapped(url: str) -> AsyncIterator[Tap]:
    """A tap for the broker at the URL; `tap.url` leads through it."""
    tap = Tap(url)
    server = await asyncio.start_server(tap._relay, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    tap.url = url.replace(f":{urlsplit(url).port}", f":{port}")
    try:
        yield tap
    finally:
        tap.thaw()
        tap.cut()
        server.close()
