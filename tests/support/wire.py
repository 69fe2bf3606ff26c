"""A TCP relay in front of a MongoDB that loses the reply to a command, or is cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Wire:
    """What happens on the way; a test turns the knobs."""

    def __init__(self) -> None:
        self.lost = 0
        self._command = b""
        self._cut = False
        self._connections: set[asyncio.StreamWriter] = set()

    def lose_reply_to(self, command: bytes) -> None:
        """The next request that contains these bytes reaches the server; its reply does not come back."""
        self._command = command

    def cut(self) -> None:
        """Break all connections, and those that are tried."""
        self._cut = True
        for writer in self._connections:
            writer.close()

    def mend(self) -> None:
        """Let connections through again."""
        self._cut = False

    async def relay(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, both ways, until one end is closed or a reply is to be lost."""
        if self._cut:
            writer.close()
            return
        name, _, port = host.partition(":")
        up_reader, up_writer = await asyncio.open_connection(name, int(port or 27017))
        self._connections |= {writer, up_writer}
        doomed = asyncio.Event()
        ways = [self._up(reader, up_writer, doomed), self._down(up_reader, writer, doomed)]
        await asyncio.wait([asyncio.create_task(way) for way in ways], return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, up_writer):
            end.close()
            self._connections.discard(end)

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while message := await _message(reader):
                if self._command and self._command in message:
                    self._command = b""
                    self.lost += 1
                    doomed.set()
                writer.write(message)
                await writer.drain()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while message := await _message(reader):
                if doomed.is_set():
                    return
                writer.write(message)
                await writer.drain()


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    return head + await reader.readexactly(int.from_bytes(head, "little") - 4)


@asynccontextmanager
async def dropping_replies(host: str, wire: Wire) -> AsyncIterator[int]:
    """The relay, on a port of loopback."""
    server = await asyncio.start_server(lambda r, w: wire.relay(host, r, w), "127.0.0.1")
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        wire.cut()
        server.close()
        await server.wait_closed()
