"""The AsyncAPI 3.0 document of all services, built from their messages.py and the contracts."""

import inspect
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from deploy.catalog import Tables, service_tables
from deploy.contracts.schemas import Json, Schemas, done, ref, refused
from shared.contracts.base import CONTENT_TYPE, Command, Event, Message, Problem, Reply
from shared.contracts.examples import example, example_envelope
from shared.contracts.problems import Conflict, Invalid
from shared.messaging.topology import Topology

FILE = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"
BINDING = {"bindingVersion": "0.3.0"}
KEPT = {"amqp": {"deliveryMode": 2, "mandatory": True, **BINDING}}
"""Operation bindings of what may not be lost: on disk, and returned where no queue takes it."""

DESCRIPTION = """\
Commands go to the exchange `<service>.commands`, events come from `<service>.events`, both durable topic exchanges;
the routing key is `<name>.v<N>`. Every message is a CloudEvents 1.0 JSON document (structured mode). A command that
names a `reply_to` gets one reply. See docs/integrators.md.

Written by `python -m deploy.contracts`; changes by hand are lost.
"""


def document() -> Json:
    """The whole document, as data."""
    tables = service_tables()
    commands = [c for t in tables.values() for c in t.commands]
    events = [e for t in tables.values() for e in t.publishes]
    schemas = Schemas([*commands, *events])
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Rummelig", "version": "1.0.0", "description": DESCRIPTION},
        "defaultContentType": CONTENT_TYPE,
        "servers": {"broker": _server()},
        "channels": {
            **{_id(c): _routed(c, "commands") for c in commands},
            **{_id(e): _routed(e, "events") for e in events},
            **{queue: _queue(queue, keys) for name, t in tables.items() for queue, keys in _inputs(name, t).items()},
            "replies": _replies(commands),
        },
        "operations": {
            **{f"{c.service_name}.takes.{c.routing_key()}": _takes(c) for c in commands},
            **{f"{e.service_name}.tells.{e.routing_key()}": _tells(e) for e in events},
            **{
                f"{name}.hears.{e.service_name}.{e.routing_key()}": _hears(name, e)
                for name, t in tables.items()
                for e in t.consumes
            },
        },
        "components": {
            "messages": {
                **{m.type(): _message(m, schemas) for m in (*commands, *events)},
                **{_reply_name(c): _answer(c.result, schemas) for c in commands},
                "problem": _problem(schemas),
            },
            "schemas": dict(sorted(schemas.components.items())),
            "securitySchemes": {"user": {"type": "userPassword", "description": "A broker user."}},
        },
    }


def to_yaml() -> str:
    """The document as the text of its file."""
    return yaml.dump(document(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def _server() -> Json:
    return {
        "host": "{host}:{port}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": "RabbitMQ, virtual host /",
        "variables": {
            "host": {"default": "127.0.0.1", "description": "The broker's host name."},
            "port": {"default": "5672", "description": "The embedded system picks a free one: see ./rummelig status."},
        },
        "security": [{"$ref": "#/components/securitySchemes/user"}],
    }


def _id(model: type[Message]) -> str:
    kind = "commands" if issubclass(model, Command) else "events"
    return f"{model.service_name}.{kind}.{model.routing_key()}"


def _reply_name(command: type[Command]) -> str:
    return f"reply.{command.result.__name__}"


def _component(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _in_channel(channel: str, *messages: str) -> Json:
    """The part of an operation that says where and what."""
    return {
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }


def _routed(model: type[Message], kind: str) -> Json:
    exchange = {"name": f"{model.service_name}.{kind}", "type": "topic", "durable": True, "autoDelete": False}
    return {
        "address": model.routing_key(),
        "summary": _summary(model),
        "messages": {model.type(): _component("messages", model.type())},
        "bindings": {"amqp": {"is": "routingKey", "exchange": {**exchange, "vhost": "/"}, **BINDING}},
    }


def _inputs(service: str, tables: Tables) -> dict[str, list[str]]:
    """Queue -> types of what comes in by it from other services."""
    queues: dict[str, list[str]] = {}
    for event in tables.consumes:
        queues.setdefault(Topology(service).queue_from(event.service_name), []).append(event.type())
    return dict(sorted(queues.items()))


def _queue(queue_name: str, types: list[str]) -> Json:
    queue = {"name": queue_name, "durable": True, "exclusive": False, "autoDelete": False, "vhost": "/"}
    return {
        "address": queue_name,
        "summary": "The quorum queue of a consuming service.",
        "messages": {name: _component("messages", name) for name in types},
        "bindings": {"amqp": {"is": "queue", "queue": queue, **BINDING}},
    }


def _replies(commands: list[type[Command]]) -> Json:
    names = sorted({_reply_name(command) for command in commands})
    return {
        "address": None,
        "summary": "The queue that the command named in reply_to: the sender's own, or direct reply-to.",
        "messages": {name: _component("messages", name) for name in (*names, "problem")},
    }


def _takes(command: type[Command]) -> Json:
    return {
        "action": "receive",
        "title": f"{command.service_name} takes {command.message_name}",
        "summary": _summary(command),
        **_in_channel(_id(command), command.type()),
        "bindings": KEPT,
        "reply": {
            "address": {"location": "$message.header#/reply_to"},
            **_in_channel("replies", _reply_name(command), "problem"),
        },
        "x-queue": Topology(command.service_name).commands,
        "x-senders": list(command.senders),
    }


def _tells(event: type[Event]) -> Json:
    return {
        "action": "send",
        "title": f"{event.service_name} tells {event.message_name}",
        "summary": _summary(event),
        **_in_channel(_id(event), event.type()),
        "bindings": KEPT,
    }


def _hears(service: str, event: type[Event]) -> Json:
    return {
        "action": "receive",
        "title": f"{service} hears {event.message_name}",
        **_in_channel(Topology(service).queue_from(event.service_name), event.type()),
        "bindings": {"amqp": {"ack": True, **BINDING}},
    }


def _message(model: type[Message], schemas: Schemas) -> Json:
    kind = "Command" if issubclass(model, Command) else "Event"
    return {
        "name": model.type(),
        "title": model.message_name,
        "summary": _summary(model),
        "description": inspect.getdoc(model) or "",
        "tags": [{"name": kind.lower()}, {"name": model.service_name}],
        "contentType": CONTENT_TYPE,
        "headers": ref(f"{kind}Properties"),
        "correlationId": {"location": "$message.payload#/id"},
        "payload": schemas.envelope(model),
        "examples": [{"name": "full", "payload": example_envelope(model).model_dump(mode="json", exclude_none=True)}],
    }


def _answer(result: type[BaseModel], schemas: Schemas) -> Json:
    return _reply(f"reply.{result.__name__}", result, done(schemas.of(result)), Reply.done(example(result)))


def _problem(schemas: Schemas) -> Json:
    invalid = Invalid.field("cvr", "is not a CVR number").problem()
    conflict = Conflict("this CVR number has an active profile already: 5f0c7a52-6f0e-5c4e-9d53-0a2f1f6f3f10").problem()
    schema = refused(schemas.of(Problem))
    return _reply("problem", Problem, schema, Reply.refused(invalid), Reply.refused(conflict))


def _reply(name: str, model: type[BaseModel], payload: Json, *examples: Reply) -> Json:
    return {
        "name": name,
        "title": name,
        "summary": _summary(model),
        "tags": [{"name": "reply"}],
        "contentType": "application/json",
        "headers": ref("ReplyProperties"),
        "correlationId": {"location": "$message.header#/correlation_id"},
        "payload": payload,
        "examples": [{"payload": e.model_dump(mode="json", exclude_none=True)} for e in examples],
    }


def _summary(model: type[BaseModel]) -> str:
    """The first paragraph, in one line."""
    return " ".join((inspect.getdoc(model) or "").partition("\n\n")[0].split())


class _Dumper(yaml.SafeDumper):
    """Without anchors; text of several lines as a block."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - asked for each value
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # 0791 is text to the YAML 1.1 of this library, but the number 791 to readers of YAML 1.2.
    style = "|" if "\n" in text else "'" if text[:1].isdigit() else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
