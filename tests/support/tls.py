"""Certificates made for a test, and a TLS server in front of one that speaks none."""

import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
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


untrusted = pytest.mark.parametrize(
    ("certificate", "authority", "word"),
    [
        ("server", "stranger", "certificate verify failed"),
        ("wrong", "ca", "certificate is not valid for '127.0.0.1'"),
        ("server", None, "certificate verify failed"),
    ],
    ids=["a CA that did not sign it", "another host's certificate", "no CA that the system knows"],
)
"""A server cannot show who it is: what it shows and whom its client trusts (Certificates), and what is said then."""


@contextmanager
def terminating(context: ssl.SSLContext, port: int) -> Iterator[int]:
    """A TLS server that hands everything on to a port of this machine; its own port."""
    ended = threading.Event()

    class Relay(socketserver.BaseRequestHandler):
        """One connection; in a thread, because asyncio leaves a socket open that it had just accepted when it stops."""

        def handle(self) -> None:
            self.request.settimeout(5)
            with (
                suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as near,
                socket.create_connection(("127.0.0.1", port)) as far,
            ):
                _relay(near, far, ended)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            ended.set()
            server.shutdown()
            thread.join()


def _relay(near: ssl.SSLSocket, far: socket.socket, ended: threading.Event) -> None:
    other = {near: far, far: near}
    while not ended.is_set():
        ready = [near] if near.pending() else select.select([near, far], [], [], 0.05)[0]
        for each in ready:
            data = each.recv(CHUNK)
            if not data:
                return
            other[each].sendall(data)
