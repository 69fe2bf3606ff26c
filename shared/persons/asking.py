"""Asks all services at once about one person, and tells who answered as soon as it does. For operators."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from aio_pika.exceptions import AMQPError, PublishError
from aiormq.exceptions import ChannelNotFoundEntity

from shared.contracts.base import Reply
from shared.contracts.known import messages
from shared.messaging.client import Client, NoReply

ERASE, EXPORT = "erase-person.v1", "export-person.v1"
VARIABLE = "RUMMELIG_SERVICES"
PAUSE_SECONDS = 1.0
"""Between attempts to reach a broker that is away."""


@dataclass(frozen=True)
class Answer:
    """One service's: its result, or why there is none yet."""

    service: str
    result: dict[str, Any] | None = None
    why: str = ""


def services() -> list[str]:
    """Whom to ask: the services whose contracts are known here, and those that $RUMMELIG_SERVICES names."""
    named = os.environ.get(VARIABLE, "").replace(",", " ").split()
    return sorted({*messages(), *named})


async def ask(url: str, command: str, email: str, correlation: str, seconds: float) -> AsyncIterator[Answer]:
    """Send each service the command (ERASE, EXPORT) and yield the answers as they come. A broker that is away is waited
    for.
    """
    asked = [asyncio.create_task(_ask(url, name, command, email, correlation, seconds)) for name in services()]
    for answer in asyncio.as_completed(asked):
        yield await answer


async def _ask(url: str, service: str, command: str, email: str, correlation: str, seconds: float) -> Answer:  # noqa: PLR0917
    # One connection each: a service that never ran here closes its channel. The same id for every attempt.
    message_id, until = str(uuid.uuid4()), asyncio.get_running_loop().time() + seconds
    while (left := until - asyncio.get_running_loop().time()) > 0:
        try:
            async with Client(url, timeout=left) as client:
                data = {"email": email}
                reply = await client.send_data(service, command, data, id=message_id, correlation=correlation)
                return _answer(service, reply)
        except NoReply as error:
            if isinstance(error.__cause__, PublishError | ChannelNotFoundEntity):
                return Answer(service, why="it never ran on this broker")
            if isinstance(error.__cause__, TimeoutError):
                break
        except (AMQPError, OSError, TimeoutError):
            pass  # a broker that is away is waited for; who waited in vain is told below
        await asyncio.sleep(min(PAUSE_SECONDS, left))
    return Answer(service, why=f"no answer within {seconds:g} s")


def _answer(service: str, reply: Reply) -> Answer:
    if reply.problem:
        return Answer(service, why=f"refused: {reply.problem.detail}")
    return Answer(service, result=reply.result or {})
