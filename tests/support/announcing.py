"""A network event for tests whose people are to sign up for one."""

import uuid
from datetime import datetime
from typing import Any

from shared.contracts.events import AnnounceEvent, Place
from shared.messaging.client import Client
from tests.support.persistent import Persistent


async def announced(client: Client | Persistent, title: str, seats: int, **more: Any) -> str:
    """The id of a new one in March 2031, all its seats on site; `more` are further fields of the command."""
    command = AnnounceEvent(
        title=title,
        starts_at=datetime.fromisoformat("2031-03-04T14:00:00"),
        ends_at=datetime.fromisoformat("2031-03-04T17:00:00"),
        place=Place(name="Kulturhuset", address="Hasselvej 15, 8620 Kjellerup"),
        capacity_on_site=seats,
        **more,
    )
    reply = await client.send(command, id=str(uuid.uuid4()))
    assert reply.result, reply
    return str(reply.result["event_id"])
