"""Writes what the broker loads at its start: users with least privilege, permissions, and the whole topology.

`python -m deploy.rabbitmq.definitions` writes `definitions.json` beside this file, without passwords; whoever starts a
broker calls `definitions(passwords)` and gives it the result (deploy/local, deploy/compose).
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deploy.catalog import Tables, service_tables
from deploy.rabbitmq.passwords import password_hash
from shared.messaging.topology import EVENTS_LOG, RETRY_DELAYS, Topology, audit_stream, dead_turn, events_log
from shared.service import topology

FILE = Path(__file__).with_name("definitions.json")
VHOST = "/"
OPERATOR = "operator"
INTEGRATOR = "integrator"


def topologies() -> list[Topology]:
    """The topology of every service in services/."""
    return [topology_of(name, tables) for name, tables in sorted(service_tables().items())]


def topology_of(name: str, tables: Tables) -> Topology:
    """The topology of one service, with the default retry delays."""
    return topology(name, tables.consumes, tables.publishes, RETRY_DELAYS)


def definitions(passwords: Mapping[str, str] | None = None) -> dict[str, Any]:
    """RabbitMQ definitions. Users without a password given cannot log in."""
    services = topologies()
    users = [*(t.service for t in services), INTEGRATOR, OPERATOR]
    return {
        "vhosts": [{"name": VHOST}],
        "users": [_user(name, (passwords or {}).get(name)) for name in users],
        "permissions": [*(_service_permission(t) for t in services), _integrator_permission(), _operator_permission()],
        "exchanges": [_exchange(e.name, e.kind, e.arguments) for t in services for e in t.exchanges()],
        "queues": [
            _queue(q.name, q.arguments)
            for q in (events_log(), audit_stream(), *(q for t in services for q in t.queues()))
        ],
        # Without the binding of each outbox to the log, which every service makes itself: RabbitMQ 4 does not start
        # again with definitions that bind a stream (rabbitmq-server issue 14772).
        "bindings": [_binding(b) for t in services for b in t.bindings()],
    }


def _user(name: str, password: str | None) -> dict[str, Any]:
    return {
        "name": name,
        "password_hash": password_hash(password) if password else "",
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": ["administrator"] if name == OPERATOR else [],
    }


def _service_permission(t: Topology) -> dict[str, str]:
    """A service configures and reads what is its own, reads the events it consumes, writes its own exchanges.

    It also writes the default exchange, for replies, retries and dead letters; that is why every consumer checks the
    user who sent a message. And it may write to the log, so as to bind its outbox to it.
    """
    own = dict.fromkeys([*(e.name for e in t.exchanges()), *(q.name for q in t.queues()), dead_turn(t.service)])
    tiers = f"{re.escape(t.service)}\\.retry\\.[0-9]+"
    mine = [re.escape(name) for name in own if ".retry." not in name] + [tiers]
    foreign = [re.escape(f"{publisher}.events") for publisher in sorted(t.consumes)]
    written = [*mine, r"amq\.default", re.escape(EVENTS_LOG)]  # the log: to bind it
    return _permission(t.service, _any(mine), _any(written), _any([*mine, *foreign]))


def _integrator_permission() -> dict[str, str]:
    """Own queues (named integrator…, or by the broker), bound to every events exchange; commands to every service."""
    own = [r"integrator.*", r"amq\.gen-.*"]
    return _permission(INTEGRATOR, _any(own), _any([*own, r"[a-z-]+\.commands"]), _any([*own, r"[a-z-]+\.events"]))


def _operator_permission() -> dict[str, str]:
    return _permission(OPERATOR, ".*", ".*", ".*")


def _permission(user: str, configure: str, write: str, read: str) -> dict[str, str]:
    return {"user": user, "vhost": VHOST, "configure": configure, "write": write, "read": read}


def _any(patterns: Iterable[str]) -> str:
    return f"^({'|'.join(patterns)})$"


def _exchange(name: str, kind: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "vhost": VHOST,
        "type": kind,
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": dict(arguments),
    }


def _queue(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "vhost": VHOST, "durable": True, "auto_delete": False, "arguments": dict(arguments)}


def _binding(binding: Any) -> dict[str, Any]:
    return {
        "source": binding.source,
        "vhost": VHOST,
        "destination": binding.destination,
        "destination_type": "exchange" if binding.to_exchange else "queue",
        "routing_key": binding.routing_key,
        "arguments": {},
    }


def to_json(passwords: Mapping[str, str] | None = None) -> str:
    """As a file's text."""
    return json.dumps(definitions(passwords), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(to_json(), encoding="utf-8")
