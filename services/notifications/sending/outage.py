"""Whether the mail server can be reached: while it cannot, mails wait and no try is counted."""

import asyncio
from collections.abc import Callable

import structlog

from services.notifications.sending.smtp import Connection, Crowded, MailServerAway

log = structlog.get_logger()

PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds between looks while it is away."""
WATCH_SECONDS = 10.0
"""After so long without a mail, whether it is still there is asked again."""


class Outage:
    """Knows whether the server is there; `told` hears why not, or None."""

    def __init__(self, connect: Callable[[], Connection], told: Callable[[str | None], None]) -> None:
        self._probe = connect()
        self._told = told
        self._reason: str | None = None
        self._known_at: float | None = None

    def began(self, reason: str) -> None:
        """A mail could not be tried."""
        if self._reason is None:
            log.warning("mail_server_away", reason=reason)
        self._reason = reason
        self._told(reason)

    def none(self) -> None:
        """The server answered."""
        self._known_at = asyncio.get_running_loop().time()
        if self._reason is not None:
            log.info("mail_server_back")
        self._reason = None
        self._told(None)

    async def over(self, connected: Callable[[], bool]) -> None:
        """Return when the server can be reached; looks only where that is not known from lately. `connected`: whether
        mails can go over connections that it took before; it may want no further one.
        """
        now = asyncio.get_running_loop().time()
        if self._reason is None and self._known_at is not None and now - self._known_at < WATCH_SECONDS:
            return
        for look in range(1_000_000):
            try:
                await self._probe.ready()
                await self._probe.close()
            except MailServerAway as away:
                if isinstance(away, Crowded) and connected():
                    self.none()
                    return
                self.began(str(away))
                await asyncio.sleep(PAUSES[min(look, len(PAUSES) - 1)])
            else:
                self.none()
                return
