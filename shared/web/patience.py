"""A client that does not come to the end of its request is let go: uvicorn itself would wait for ever (slowloris)."""

import asyncio
from typing import override

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 30.0
"""From its first byte, or from connecting, until a request must be here as a whole."""

COMING = frozenset({h11.IDLE, h11.SEND_BODY})


class Patience(H11Protocol):
    """uvicorn's HTTP/1.1 with an end to waiting. How much a head may hold (16 KiB) h11 sees to."""

    _deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._expect()

    @override
    def data_received(self, data: bytes) -> None:
        self._expect()
        super().data_received(data)
        if self.conn.their_state not in COMING:
            self._arrived()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def _expect(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.close)

    def _arrived(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
