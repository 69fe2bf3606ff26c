"""An SMTP server that says to each command what a test tells it to say, and keeps what it is sent, write by write."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

HANG_UP = "hang up"
USUAL = {"EHLO": "250-scripted.example\n250 PIPELINING", "DATA": "354 go on", "QUIT": "221 bye"}
CONTENT = "."
"""The command that stands for a mail's content."""


@dataclass
class Scripted:
    """`says` may answer otherwise than usual: lines of an answer, HANG_UP, or both with the latter at the end."""

    says: Callable[[str], str | None] = lambda _: None
    most: int = 100
    port: int = 0
    writes: list[bytes] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    connections: int = 0
    now: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.now += 1
        try:
            if self.now > self.most:
                writer.write(b"421 4.7.0 too many connections\r\n")
                return
            writer.write(b"220 scripted.example\r\n")
            await self._talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            self.now -= 1
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        buffer, in_data = b"", False
        while data := await reader.read(1 << 16):
            self.writes.append(data)
            buffer += data
            while True:
                if in_data and buffer.startswith(b".\r\n"):
                    command, buffer = CONTENT, buffer[3:]
                    self.contents.append(b"")
                elif in_data and b"\r\n.\r\n" in buffer:
                    content, _, buffer = buffer.partition(b"\r\n.\r\n")
                    command = CONTENT
                    self.contents.append(content + b"\r\n")
                elif not in_data and b"\r\n" in buffer:
                    line, _, buffer = buffer.partition(b"\r\n")
                    command = line.decode()
                else:
                    break
                verb = command.split(" ")[0]
                said = self.says(command) or USUAL.get(verb, "250 ok")
                in_data = verb == "DATA" and said.startswith("354")
                if not await self._say(writer, said):
                    return

    async def _say(self, writer: asyncio.StreamWriter, said: str) -> bool:
        for line in said.split("\n"):
            if line == HANG_UP:
                return False
            writer.write(f"{line}\r\n".encode())
        await writer.drain()
        return not said.startswith("221")


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    running = Scripted()
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
        server.close_clients()
        await server.wait_closed()
