"""From bytes to the handler that a service's table names, with every check on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pydantic import ValidationError

from shared.contracts.base import Command, Envelope, Event, Message
from shared.contracts.problems import Forbidden, Invalid, Refused
from shared.messaging.executor import Handler
from shared.messaging.failing import Delivery

BODY_BYTES = 262_144
"""A message is a fact, not a file: larger ones are refused."""


class Unreadable(Refused):
    """No handler could ever take this message: it is answered and laid aside."""

    status, slug, title = 400, "unreadable", "The message cannot be read"


class Unknown(Unreadable):
    """No handler is there for the type or version."""

    status, slug, title = 404, "unknown-type", "No such command"


@dataclass(frozen=True)
class Route:
    """Where a message of a type goes."""

    model: type[Message]
    handler: Handler
    senders: Sequence[str]
    spoken: str = ""
    """What a trace calls it: queue and message."""

    @property
    def handler_name(self) -> str:
        """Module and name of the handler."""
        return f"{self.handler.__module__}.{getattr(self.handler, '__name__', 'handler')}"


class Dispatch:
    """The table of one queue: CloudEvents type -> route."""

    def __init__(self, queue: str, table: Mapping[type[Message], Handler], trusted: frozenset[str]) -> None:
        self._trusted = trusted
        self.routes = {
            m.type(): Route(m, handler, _senders(m), f"{queue} {m.message_name}") for m, handler in table.items()
        }

    def read(self, delivery: Delivery) -> Envelope:
        """The CloudEvent in the body. Unreadable where it is none."""
        if len(delivery.body) > BODY_BYTES:
            raise Unreadable(f"the message has {len(delivery.body)} bytes; at most {BODY_BYTES} are taken")
        try:
            envelope = Envelope.model_validate_json(delivery.body)
        except ValidationError as error:
            found = Invalid.of(error)
            raise Unreadable(f"not a CloudEvents 1.0 JSON document: {found.detail}", found.errors) from None
        if delivery.message_id and delivery.message_id != envelope.id:
            raise Unreadable("the AMQP message_id is not the CloudEvents id: set both alike, or leave message_id out")
        return envelope

    def route(self, envelope: Envelope, delivery: Delivery) -> Route:
        """The route of a message. Unknown where the table has none, Forbidden for a sender who may not send it."""
        route = self.routes.get(envelope.type)
        if route is None:
            raise Unknown(f"type {envelope.type!r} is not handled here; known: {', '.join(sorted(self.routes))}")
        if not self._may_send(delivery.sender, route):
            who = f"user {delivery.sender!r}" if delivery.sender else "a message without the user_id property"
            raise Forbidden(
                f"{who} may not send {envelope.type}: set user_id to the broker user that you log in as; "
                f"allowed: {', '.join(route.senders) or 'the operator alone'}"
            )
        return route

    def _may_send(self, sender: str, route: Route) -> bool:
        return sender in self._trusted or any(fnmatchcase(sender, pattern) for pattern in route.senders)


def _senders(model: type[Message]) -> Sequence[str]:
    if issubclass(model, Command):
        return model.senders
    assert issubclass(model, Event)  # noqa: S101 - a message is a command or an event
    return (model.service_name,)
