"""What each service needs on the broker, as plain data: declared from code and written as definitions.json.

command ─► <s>.commands ─► queue <s>.commands
outbox ─► <s>.outbox ─┬─► stream events.log
                      └─► <s>.events ─┬─► queue <consumer>.from.<s>
                                      ├─► <s>.optional   (events that need no consumer end here)
                                      └─► <s>.unrouted   (alternate exchange) ─► queue <s>.unrouted
replay ─► <s>.replay ─► the queues <s>.from.<publisher>, as they are bound
failing ─► <s>.retry.<ms> ─(after the delay)─► the queue it came from
given up ─► queue <s>.dead
operators ─► stream operator.audit
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

EVENTS_LOG = "events.log"
LOG_DAYS = 30
AUDIT = "operator.audit"
AUDIT_DAYS = 400
"""A year and some: what was done last year at this time can still be looked up."""
RETRY_DELAYS = (1.0, 5.0, 30.0, 300.0, 1800.0)
"""Seconds between the tries of a message whose handler fails."""

DELIVERY_LIMIT = 20
"""The net under crash loops: after so many deliveries without an answer the broker dead-letters by itself."""

UNLIMITED = 1_000_000_000
"""RabbitMQ 4 limits deliveries to 20 unless told otherwise, 3.x knows no word for unlimited: looking at a dead letter
or at an unrouted event must never use it up."""


@dataclass(frozen=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Queue:
    """A durable queue."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Binding:
    """From an exchange to a queue, or to another exchange."""

    source: str
    destination: str
    routing_key: str = ""
    to_exchange: bool = False


@dataclass(frozen=True)
class Topology:
    """All that one service declares. `consumes`: publisher -> routing keys; `optional`: keys that need no consumer."""

    service: str
    consumes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    optional: Sequence[str] = ()
    delays: Sequence[float] = RETRY_DELAYS

    @property
    def commands(self) -> str:
        """The queue of commands, and the exchange of the same name."""
        return f"{self.service}.commands"

    @property
    def dead(self) -> str:
        """The queue of dead letters."""
        return dead_queue(self.service)

    def queue_from(self, publisher: str) -> str:
        """The queue of a publisher's events."""
        return f"{self.service}.from.{publisher}"

    @property
    def inputs(self) -> list[str]:
        """The queues that the service works on."""
        return [self.commands, *map(self.queue_from, sorted(self.consumes))]

    def retry(self, tries: int) -> str | None:
        """The retry tier (exchange and queue) after so many failed tries; None when the tries are used up."""
        return retry_name(self.service, self.delays[tries - 1]) if tries <= len(self.delays) else None

    def exchanges(self) -> list[Exchange]:
        """The service's own exchanges."""
        s = self.service
        return [
            Exchange(f"{s}.commands", "topic"),
            Exchange(f"{s}.outbox", "fanout"),
            Exchange(f"{s}.unrouted", "fanout"),
            Exchange(f"{s}.events", "topic", {"alternate-exchange": f"{s}.unrouted"}),
            Exchange(f"{s}.optional", "fanout"),
            Exchange(replay_exchange(s), "topic"),
            *(Exchange(retry_name(s, delay), "fanout") for delay in self.delays),
        ]

    def queues(self) -> list[Queue]:
        """The service's own queues."""
        return [
            *(Queue(name, _input(self.dead)) for name in self.inputs),
            Queue(self.dead, _quorum({"x-delivery-limit": UNLIMITED})),
            Queue(f"{self.service}.unrouted", _quorum({"x-delivery-limit": UNLIMITED})),
            *(Queue(retry_name(self.service, delay), _delaying(delay)) for delay in self.delays),
        ]

    def bindings(self) -> list[Binding]:
        """All bindings but the log's."""
        return [*self.own_bindings(), *self.subscriptions()]

    def own_bindings(self) -> list[Binding]:
        """Those between what is the service's own."""
        s = self.service
        return [
            Binding(f"{s}.commands", self.commands, "#"),
            Binding(f"{s}.outbox", f"{s}.events", to_exchange=True),
            Binding(f"{s}.unrouted", f"{s}.unrouted"),
            *(Binding(f"{s}.events", f"{s}.optional", key, to_exchange=True) for key in sorted(self.optional)),
            *(Binding(retry_name(s, delay), retry_name(s, delay)) for delay in self.delays),
            *(
                Binding(replay_exchange(s), self.queue_from(publisher), f"{publisher}.{key}")
                for publisher, key in self._heard()
            ),
        ]

    def subscriptions(self) -> list[Binding]:
        """Those from the publishers' exchanges, which have to be there."""
        return [Binding(f"{publisher}.events", self.queue_from(publisher), key) for publisher, key in self._heard()]

    def _heard(self) -> list[tuple[str, str]]:
        return [(publisher, key) for publisher, keys in sorted(self.consumes.items()) for key in sorted(keys)]

    def log_binding(self) -> Binding:
        """From the outbox to the log of all events."""
        return Binding(f"{self.service}.outbox", EVENTS_LOG)


_INNER = re.compile(r"[^.]+\.(commands|dead|dead\.turn|unrouted|from\.[^.]+|retry\.\d+)")


def is_inner(queue: str) -> bool:
    """Whether a queue has the name of a service's own, of the log or of the audit: nobody has replies sent there."""
    return queue in (EVENTS_LOG, AUDIT) or _INNER.fullmatch(queue) is not None


def events_log() -> Queue:
    """The stream of all events, for replay. Retention is bounded, since events carry personal data."""
    return Queue(
        EVENTS_LOG,
        {"x-queue-type": "stream", "x-max-age": f"{LOG_DAYS}D", "x-stream-max-segment-size-bytes": 50_000_000},
    )


def audit_stream() -> Queue:
    """The stream of what operators did. No service reads it, and no binding leads to it."""
    return Queue(
        AUDIT,
        {"x-queue-type": "stream", "x-max-age": f"{AUDIT_DAYS}D", "x-stream-max-segment-size-bytes": 5_000_000},
    )


def dead_queue(service: str) -> str:
    """The queue of a service's dead letters."""
    return f"{service}.dead"


def dead_turn(service: str) -> str:
    """The exclusive queue that whoever works on the dead letters holds meanwhile, so that one waits for the other."""
    return f"{service}.dead.turn"


def replay_exchange(service: str) -> str:
    """Where a replay for one consumer is published, with <publisher>.<name>.v<N> as key; what it takes not, returns."""
    return f"{service}.replay"


def retry_name(service: str, delay: float) -> str:
    """Exchange and queue of a retry tier, named by its delay so that another delay is another queue."""
    return f"{service}.retry.{round(delay * 1000)}"


def _quorum(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"x-queue-type": "quorum", **arguments}


def _safely_to(routing_key: str | None) -> dict[str, Any]:
    # Dead-lettering loses nothing only with all three: at-least-once, reject-publish and a dead-letter exchange.
    to = {"x-dead-letter-routing-key": routing_key} if routing_key else {}
    return {
        "x-dead-letter-exchange": "",
        **to,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def _input(dead: str) -> dict[str, Any]:
    return _quorum({"x-delivery-limit": DELIVERY_LIMIT, **_safely_to(dead)})


def _delaying(delay: float) -> dict[str, Any]:
    # A message comes with the routing key of the queue that it goes back to.
    return _quorum({"x-message-ttl": round(delay * 1000), "x-delivery-limit": UNLIMITED, **_safely_to(None)})
