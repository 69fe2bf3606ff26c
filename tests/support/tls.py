"""Certificates made for a test, and a TLS server in front of one that speaks none."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import trustme

CHUNK = 65_536


@dataclass(frozen=True)
class Certificates:
    """Files in PEM: a CA and what it signed; `wrong` is good for another host, `stranger` is another CA."""

    ca: Path
    server: Path
    wrong: Path
    client: Path
    stranger: Path

    def context(self, certificate: Path | None = None, *, ask_client: bool = False) -> ssl.SSLContext:
        """For a server with a certificate; with `ask_client` it wants to see one of the CA's."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate or self.server)
        if ask_client:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def make(folder: Path) -> Certificates:
    """For 127.0.0.1 and localhost; key and certificate in one file."""
    authority, stranger = trustme.CA(), trustme.CA()
    found = Certificates(*(folder / f"{name}.pem" for name in ("ca", "server", "wrong", "client", "stranger")))
    authority.cert_pem.write_to_path(str(found.ca))
    stranger.cert_pem.write_to_path(str(found.stranger))
    for path, names in (
        (found.server, ("127.0.0.1", "localhost")),
        (found.wrong, ("other.example",)),
        (found.client, ("client.example",)),
    ):
        authority.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(str(path))
    return found


@asynccontextmanager
async def terminating(context: ssl.SSLContext, port: int) -> AsyncIterator[int]:
    """A TLS server that hands everything on to a port of this machine; its own port."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        ways = [asyncio.create_task(_pass(reader, up_writer)), asyncio.create_task(_pass(up_reader, writer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, up_writer):
            end.close()
        await asyncio.wait(ways)

    server = await asyncio.start_server(relay, "127.0.0.1", ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        server.close_clients()
        await server.wait_closed()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
