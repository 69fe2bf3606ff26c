"""What the handlers know besides the message and the store; `work.context`."""

import asyncio
from dataclasses import dataclass, field

from services.notifications.domain import address_id
from services.notifications.links import MailLinks
from shared.store.work import Work


class Bell:
    """Rung when there is new work for the background jobs, so that they need not wait for their next look."""

    def __init__(self) -> None:
        self._listeners: list[asyncio.Event] = []

    def listener(self) -> asyncio.Event:
        """Set by every ring; whoever waits for it clears it."""
        event = asyncio.Event()
        self._listeners.append(event)
        return event

    def ring(self) -> None:
        """Wake every listener."""
        for event in self._listeners:
            event.set()


@dataclass(frozen=True)
class Context:
    """Links, the domain that mails are sent from, the key of address ids, the bell."""

    links: MailLinks
    mail_domain: str
    address_key: bytes = field(default=b"", repr=False)
    bell: Bell = field(default_factory=Bell)

    def address_id(self, email: str) -> str:
        """The id that stands for an address: a subscriber's, a suppression's."""
        return address_id(email, self.address_key)


def context_of(work: Work) -> Context:
    """The context of a unit of work of this service."""
    context: Context = work.context
    return context
