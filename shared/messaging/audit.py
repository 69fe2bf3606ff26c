"""What operators did, kept by the broker: a stream that operators alone may read.

Each action is written down twice, with the broker's confirm: before it is done, and with its outcome. An action
without an outcome is one whose operator was stopped in the middle. No line holds more of a person than the id of a
message; who acted is the broker user, which the broker vouches for, and the name that the operating system gives.
"""

import getpass
import os
import socket
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared.messaging.publisher import Outgoing, Publisher, Unroutable
from shared.messaging.streams import read_stream
from shared.messaging.topology import audit_stream
from shared.observability.masking import mask_text

NAME = "RUMMELIG_OPERATOR"
"""Says who it is where the operating system does not, as in a container."""

UNKNOWN = "unknown"
"""The outcome of an action that was announced and of which no more was heard."""


def _who() -> str:
    try:
        user = os.environ.get(NAME) or getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = f"uid {os.getuid()}"
    return f"{user} on {socket.gethostname()}"


class Action(BaseModel):
    """One action of an operator on one message. `user` is the broker user; `outcome`: done, failed: …, unknown."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(default_factory=lambda: str(uuid.uuid4()))
    at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    user: str = ""
    by: str = Field(default_factory=_who)
    action: str
    service: str
    message: str
    type: str = ""
    queue: str = ""
    reason: str = ""
    why: str = ""
    outcome: str = UNKNOWN


class Audit:
    """Writes and reads the stream. What cannot be written down is not done: Unconfirmed is raised before it."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def prepare(self) -> None:
        """Make the stream where there is none: the broker was started before there was such a stream. AMQPError while
        the broker, just started, has not found its streams yet.
        """
        stream = audit_stream()
        async with (await self._publisher.connection()).channel() as channel:
            await channel.declare_queue(stream.name, durable=True, arguments=dict(stream.arguments))

    async def intend(self, action: Action) -> Action:
        """Say what is going to be done; returns when the broker has it."""
        said = action.model_copy(update={"why": mask_text(action.why), "outcome": UNKNOWN})
        await self._write(said, "intent")
        return said

    async def ended(self, action: Action, outcome: str) -> None:
        """Say how it ended."""
        await self._write(action.model_copy(update={"outcome": outcome}), "outcome")

    async def actions(self, since: datetime | None = None) -> AsyncIterator[Action]:
        """What was done, in the order in which it ended; last what was begun and has no outcome."""
        begun: dict[tuple[str, str], Action] = {}
        async for message in read_stream(self._publisher, audit_stream().name, since):
            try:
                found = Action.model_validate_json(message.body)
            except ValidationError:
                continue  # a reader's mark, or no line of ours
            if since is not None and found.at < since:
                continue
            # Who wrote it says the broker, not the line.
            named = found.model_copy(update={"user": message.user_id or ""})
            if named.outcome == UNKNOWN:
                begun[named.id, named.user] = named
            else:
                begun.pop((named.id, named.user), None)
                yield named
        for unfinished in begun.values():
            yield unfinished

    async def _write(self, action: Action, stage: str) -> None:
        stream = audit_stream()
        body = action.model_dump_json(exclude={"user"}).encode()
        line = Outgoing("", stream.name, body, f"{action.id}:{stage}", content_type="application/json")
        try:
            await self._publisher.publish(line)
        except Unroutable:
            await self.prepare()
            await self._publisher.publish(line)
