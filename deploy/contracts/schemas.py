"""JSON Schemas of envelopes, data and replies, as components that refer to one another."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from shared.contracts.base import Command, Envelope, Event, Message, Problem

type Json = dict[str, Any]

PROPERTIES = {
    "message_id": "The CloudEvents id. May be left out; another value than the id is refused.",
    "user_id": "The broker user that the sender logs in as; RabbitMQ compares it with the connection's.",
    "reply_to": "Where the reply goes: a queue, or amq.rabbitmq.reply-to (direct reply-to). Without it there is none.",
    "correlation_id": "In a reply: the id of the command.",
    "content_type": "application/cloudevents+json; application/json in a reply.",
    "delivery_mode": "2: the broker keeps it on disk.",
}


class Untitled(GenerateJsonSchema):
    """Without the titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic asks for each field
        """Never."""
        return False


def ref(name: str) -> Json:
    """A reference to a component's schema."""
    return {"$ref": f"#/components/schemas/{name}"}


class Schemas:
    """The components. `of(model)` refers to the schema of a model's data, `envelope(model)` to its whole message."""

    def __init__(self, messages: list[type[Message]]) -> None:
        results = [m.result for m in messages if issubclass(m, Command)]
        models: list[type[BaseModel]] = list(dict.fromkeys([*messages, *results, Problem, Envelope]))
        named, definitions = models_json_schema(
            [(model, "validation") for model in models],
            ref_template="#/components/schemas/{model}",
            schema_generator=Untitled,
        )
        self._refs: dict[type[BaseModel], Json] = {model: named[model, "validation"] for model in models}
        self.components: Json = definitions["$defs"]
        self.components[self._name(Envelope)] = _cloudevent(self.components[self._name(Envelope)])
        self.components["CommandProperties"] = _properties(
            "message_id", "user_id", "reply_to", "content_type", "delivery_mode"
        )
        self.components["EventProperties"] = _properties("message_id", "user_id", "content_type", "delivery_mode")
        self.components["ReplyProperties"] = _properties("correlation_id", "user_id", "content_type")

    def of(self, model: type[BaseModel]) -> Json:
        """The schema of a model."""
        return self._refs[model]

    def envelope(self, model: type[Message]) -> Json:
        """The schema of a whole message: a CloudEvent of the model's type around the model's data."""
        required = ["time", "subject", "data", "aggregateversion"] if issubclass(model, Event) else ["data"]
        return {
            "allOf": [
                self._refs[Envelope],
                {
                    "type": "object",
                    "required": required,
                    "properties": {"type": {"const": model.type()}, "data": self.of(model)},
                },
            ]
        }

    def _name(self, model: type[BaseModel]) -> str:
        return str(self._refs[model]["$ref"]).rpartition("/")[2]


def done(result: Json) -> Json:
    """The reply to a command that was carried out."""
    return {
        "type": "object",
        "required": ["ok", "result"],
        "properties": {"ok": {"const": True}, "result": result},
    }


def refused(problem: Json) -> Json:
    """The reply to a command that was not (RFC 9457 problem details)."""
    return {
        "type": "object",
        "required": ["ok", "problem"],
        "properties": {"ok": {"const": False}, "problem": problem},
    }


def _cloudevent(schema: Json) -> Json:
    required = [name for name in schema["required"] if name != "data"]
    properties = {name: _not_null(field) for name, field in schema["properties"].items()}
    return {**schema, "properties": properties, "required": ["specversion", *required]}


def _not_null(field: Json) -> Json:
    """An attribute that is not told is left out rather than null."""
    given = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {name: value for name, value in field.items() if name not in ("anyOf", "default")}
    return {**given[0], **rest} if given else rest


def _properties(*names: str) -> Json:
    return {
        "type": "object",
        "description": "AMQP 0-9-1 basic properties (not entries of the headers table).",
        "properties": {name: {"description": PROPERTIES[name]} for name in names},
    }
