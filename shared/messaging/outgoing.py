"""What a message on its way out is, and how it may fail."""

from dataclasses import dataclass, field
from typing import Any

from shared.contracts.base import CONTENT_TYPE


class Unconfirmed(Exception):
    """The broker did not say that it took the message; it may or may not have. Publish again with the same id."""


class Unroutable(Unconfirmed):
    """No queue is there for the message."""


class Nacked(Unconfirmed):
    """A queue would not take the message: it is full."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way out."""

    exchange: str
    routing_key: str
    body: bytes
    message_id: str
    headers: dict[str, Any] = field(default_factory=dict)
    content_type: str = CONTENT_TYPE
    correlation_id: str | None = None
    reply_to: str | None = None
    mandatory: bool = True
    traceparent: str | None = None
    """Publishing it is a step of this trace."""
