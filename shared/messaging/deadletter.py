"""One message that was given up: what it was, where it comes from, why it is here."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from aio_pika.abc import AbstractIncomingMessage

from shared.messaging import failing

KEY_DIGITS = 12
ID_BYTES = 255
"""What AMQP takes as a message id."""


@dataclass(frozen=True)
class DeadLetter:
    """A message that was given up, and why."""

    id: str
    service: str
    queue: str
    reason: str
    detail: str
    handler: str
    type: str
    tries: int
    first: str
    last: str
    trace: str
    traceparent: str
    sender: str
    reply_to: str | None
    body: bytes

    @classmethod
    def of(cls, message: AbstractIncomingMessage, service: str, trusted: Collection[str]) -> "DeadLetter":
        """From our own headers, or from the broker's x-death where the delivery limit sent it here.

        Headers like ours are ours only if the broker vouches that the service, or a trusted user, set them: what is
        replayed goes out in the operator's name, to the queue and from the sender that stand here.
        """
        death = _last_death(message.headers or {})
        headers: Mapping[str, Any] = (message.headers or {}) if message.user_id in {service, *trusted} else {}
        return cls(
            id=message.message_id or id_in(message.body),
            service=service,
            queue=str(headers.get(failing.QUEUE) or death.get("queue") or ""),
            reason=str(headers.get(failing.REASON) or death.get("reason") or "unknown"),
            detail=str(headers.get(failing.DETAIL, "")),
            handler=str(headers.get(failing.HANDLER, "")),
            type=str(headers.get(failing.TYPE, "")) or field_in(message.body, "type"),
            tries=failing.count(headers.get(failing.TRIES) or death.get("count")),
            first=str(headers.get(failing.FIRST) or death.get("time") or ""),
            last=str(headers.get(failing.LAST) or death.get("time") or ""),
            trace=str(headers.get(failing.TRACE, "")),
            traceparent=str(headers.get(failing.TRACEPARENT, "")),
            sender=str(headers.get(failing.SENDER, "" if failing.QUEUE in headers else message.user_id or "")),
            reply_to=message.reply_to,
            body=message.body,
        )

    @property
    def key(self) -> str:
        """Tells it from others, where messages have no id or several have the same; alike for exact copies."""
        what = (self.service, self.queue, self.id, self.reason, self.first, self.last, self.body)
        return "#" + hashlib.sha256(repr(what).encode()).hexdigest()[:KEY_DIGITS]

    @property
    def name(self) -> str:
        """The id; the key where there is none."""
        return self.id or self.key

    @property
    def correlation(self) -> str:
        """What log records, events and other dead letters of the same business action have in common with it."""
        return field_in(self.body, "correlationid") or field_in(self.body, "id")

    def called(self, name: str) -> bool:
        """Whether an operator means it by this id or key."""
        return name in (self.id, self.key)

    def text(self) -> str:
        """The body as a person reads it."""
        try:
            return json.dumps(json.loads(self.body), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            return self.body.decode("utf-8", "backslashreplace")


def field_in(body: bytes, name: str) -> str:
    """The text under this name in a JSON document; nothing where there is none, or the body is no such document."""
    try:
        value = json.loads(body).get(name)
    except (ValueError, RecursionError, AttributeError):
        return ""
    return value if isinstance(value, str) else ""


def id_in(body: bytes) -> str:
    """The CloudEvents id, where it can be the id of a message."""
    found = field_in(body, "id")
    return found if found.isprintable() and len(found.encode("utf-8", "replace")) <= ID_BYTES else ""


def _last_death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    """The broker puts the latest in front; what stands behind it a sender may have written."""
    deaths = headers.get("x-death")
    return deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
