"""Asks all services at once about one person, and tells who answered as soon as it does. For operators."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from aio_pika.exceptions import AMQPError, PublishError
from aiormq.exceptions import ChannelNotFoundEntity

from shared.contracts.base import Reply
from shared.contracts.known import commands, messages
from shared.contracts.person import ErasureCommand, ExportCommand, PersonCommand
from shared.messaging.client import Client, NoReply

PAUSE_SECONDS = 1.0
"""Between attempts to reach a broker that is away."""


@dataclass(frozen=True)
class Answer:
    """One service's: its result, or why there is none yet."""

    service: str
    result: dict[str, Any] | None = None
    why: str = ""


def erasures() -> list[type[PersonCommand]]:
    """The command to erase, of each service that there is."""
    return _of(ErasureCommand)


def exports() -> list[type[PersonCommand]]:
    """The command to tell what is kept, of each service that there is."""
    return _of(ExportCommand)


async def ask(
    url: str, models: Sequence[type[PersonCommand]], email: str, correlation: str, seconds: float
) -> AsyncIterator[Answer]:
    """Send each service its command and yield the answers as they come. A broker that is away is waited for."""
    asked = [asyncio.create_task(_ask(url, model, email, correlation, seconds)) for model in models]
    for answer in asyncio.as_completed(asked):
        yield await answer


def _of(base: type[PersonCommand]) -> list[type[PersonCommand]]:
    return [model for service in messages() for model in commands(service) if issubclass(model, base)]


async def _ask(url: str, model: type[PersonCommand], email: str, correlation: str, seconds: float) -> Answer:
    # One connection each: a service that never ran here closes its channel. The same id for every attempt.
    service, message_id, until = model.service_name, str(uuid.uuid4()), asyncio.get_running_loop().time() + seconds
    while (left := until - asyncio.get_running_loop().time()) > 0:
        try:
            async with Client(url, timeout=left) as client:
                command = model.model_validate({"email": email})
                return _answer(service, await client.send(command, id=message_id, correlation=correlation))
        except NoReply as error:
            if isinstance(error.__cause__, PublishError | ChannelNotFoundEntity):
                return Answer(service, why="it never ran on this broker")
            if isinstance(error.__cause__, TimeoutError):
                break
        except (AMQPError, OSError, TimeoutError):
            pass
        await asyncio.sleep(min(PAUSE_SECONDS, left))
    return Answer(service, why=f"no answer within {seconds:g} s")


def _answer(service: str, reply: Reply) -> Answer:
    if reply.problem:
        return Answer(service, why=f"refused: {reply.problem.detail}")
    return Answer(service, result=reply.result or {})
