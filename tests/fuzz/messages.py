"""Malformed and hostile messages: as many as are wanted, the same for a seed."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pika

from shared.contracts.base import Command, Message
from shared.contracts.examples import example_envelope
from tests.fuzz.values import ADDRESSES, LINES, PERSON_NUMBERS, TEMPLATES, anything, changed, nested, paths
from tests.support.embedded import topologies

type Document = dict[str, Any]

HALF_LIMIT, OVER_LIMIT = 130_000, 1_000_000
"""Characters: a message that is taken, and one that is not (the broker itself takes a megabyte)."""


@dataclass(frozen=True)
class Hostile:
    """A message and where it goes. `name` is its id wherever it has one that can be read."""

    name: str
    kind: str
    exchange: str
    routing_key: str
    queue: str
    body: bytes
    properties: Mapping[str, Any] = field(default_factory=dict)
    wants_reply: bool = False

    def basic_properties(self, reply_to: str, user: str) -> pika.BasicProperties:
        """As they go on the wire."""
        own: Document = {"content_type": "application/cloudevents+json", "user_id": user} | dict(self.properties)
        if self.wants_reply:
            own |= {"reply_to": reply_to, "message_id": self.name, "correlation_id": self.name}
        return pika.BasicProperties(**own)


def hostile(
    seed: int, count: int, commands: Mapping[str, list[type[Command]]], inputs: Mapping[str, list[type[Message]]]
) -> Iterator[Hostile]:
    """`commands`: service -> its commands. `inputs`: queue -> the events that it brings, written to as the operator."""
    chance = random.Random(seed)
    for number in range(count):
        name = f"fuzz-{seed}-{number}"
        if inputs and chance.random() < 0.2:
            queue = chance.choice(sorted(inputs))
            model: type[Message] = chance.choice(inputs[queue])
            exchange, key, wants_reply = "", queue, False
        else:
            service = chance.choice(sorted(commands))
            model = chance.choice(commands[service])
            queue, exchange, key = f"{service}.commands", f"{service}.commands", model.routing_key()
            wants_reply = chance.random() < 0.5
        kind = chance.choice(sorted(KINDS))
        envelope = json.loads(example_envelope(model).to_json()) | {"id": name}
        properties = PROPERTIES[kind](chance) if kind in PROPERTIES else {}
        answered = wants_reply and kind not in PROPERTIES
        yield Hostile(name, kind, exchange, key, queue, KINDS[kind](chance, envelope), properties, answered)


def _json(document: Any) -> bytes:
    return json.dumps(document).encode("utf-8", "surrogatepass")


def _noise(chance: random.Random, _: Document) -> bytes:
    return chance.randbytes(chance.randint(1, 2000))


def _truncated(chance: random.Random, envelope: Document) -> bytes:
    body = _json(envelope)
    return body[: chance.randrange(1, len(body))]


def _flipped(chance: random.Random, envelope: Document) -> bytes:
    body = bytearray(_json(envelope))
    first = body.index(b"source")  # behind the id, by which we find it again
    for _ in range(chance.randint(1, 5)):
        body[chance.randrange(first, len(body))] ^= 1 << chance.randrange(8)
    return bytes(body)


def _no_object(chance: random.Random, envelope: Document) -> bytes:
    wrong = [
        "null",
        "true",
        "0",
        "NaN",
        "-Infinity",
        "1e999",
        '""',
        "[]",
        "[[]]",
        "{}",
        "{}{}",
        "{} garbage",
        "\ufeff{}",
    ]
    return (chance.choice(wrong) + " " * int(envelope["id"].rpartition("-")[2])).encode()


def _attribute(chance: random.Random, envelope: Document) -> bytes:
    name = chance.choice([*(set(envelope) - {"id"}), "time", "aggregateversion", "correlationid", "traceparent"])
    return _json(envelope | {name: anything(chance)})


def _attribute_missing(chance: random.Random, envelope: Document) -> bytes:
    gone = chance.choice(sorted(set(envelope) - {"id"}))
    return _json({name: value for name, value in envelope.items() if name != gone})


def _other_id(chance: random.Random, envelope: Document) -> bytes:
    return _json(envelope | {"id": chance.choice(["", "x" * 300, "a\nb", 7, None, "\ud800"])})


def _wrong_type(chance: random.Random, envelope: Document) -> bytes:
    service = chance.choice([t.service for t in topologies()])
    wrong = [f"dk.rummelig.{service}.sing-a-song.v1", envelope["type"][:-1] + "99", "com.example.other", "../../x", "*"]
    return _json(envelope | {"type": chance.choice(wrong)})


def _field(chance: random.Random, envelope: Document) -> bytes:
    path = chance.choice(list(paths(envelope["data"])))
    return _json(envelope | {"data": changed(envelope["data"], path, lambda _: anything(chance))})


def _fields(chance: random.Random, envelope: Document) -> bytes:
    return _json(envelope | {"data": {name: anything(chance) for name in envelope["data"]}})


def _unknown_field(chance: random.Random, envelope: Document) -> bytes:
    extra = chance.choice(["x", "__class__", "$set", "a.b", "_id", "version", "outbox", "", "é", "\u0000", "y" * 5000])
    return _json(envelope | {"data": envelope["data"] | {extra: anything(chance)}})


def _every_text(values: tuple[str, ...]) -> Callable[[random.Random, Document], bytes]:
    def with_text(chance: random.Random, envelope: Document) -> bytes:
        data = envelope["data"]
        for path in list(paths(data)):
            if path[-1] in ("name", "title", "description", "reason", "subject", "body", "source"):
                data = changed(data, path, lambda old: chance.choice(values) if isinstance(old, str) else old)
        return _json(envelope | {"data": _somebody_else(chance, data)})

    return with_text


def _somebody_else(chance: random.Random, data: Document) -> Document:
    """Not the same address again and again: that would be one person who signs up once."""
    who = f"fuzz{chance.randrange(10**9)}@forening.example"
    found = [path for path in paths(data) if path[-1] == "email"]
    for path in found:
        data = changed(data, path, lambda _: who)
    return data


def _address(chance: random.Random, envelope: Document) -> bytes:
    data = envelope["data"]
    found = [path for path in paths(data) if path[-1] == "email"] or list(paths(data))
    return _json(envelope | {"data": changed(data, chance.choice(found), lambda _: chance.choice(ADDRESSES))})


def _deep(chance: random.Random, envelope: Document) -> bytes:
    depth = chance.choice([100, 1000, 50_000])
    deep = nested(depth) if chance.random() < 0.5 else nested(depth, "[", "]")
    where = chance.choice(["data", "time", "extension"])
    return _json(envelope | {where: "HERE"}).replace(b'"HERE"', deep.encode())


def _huge_number(chance: random.Random, envelope: Document) -> bytes:
    number = chance.choice(["9" * 5000, "-" + "9" * 400, "1e400", "1E+99999", "0." + "3" * 4000, "1e-400", "00012"])
    path = chance.choice(list(paths(envelope["data"])))
    data = changed(envelope["data"], path, lambda _: "HERE")
    return _json(envelope | {"data": data}).replace(b'"HERE"', number.encode(), 1)


def _broken_utf8(chance: random.Random, envelope: Document) -> bytes:
    path = chance.choice(list(paths(envelope["data"])))
    wrong = [b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\xf0\x28\x8c\x28", b"\xc0\xaf", b"\\ud800", b"\\udfff\\u0000"]
    data = changed(envelope["data"], path, lambda _: "HERE")
    return _json(envelope | {"data": data}).replace(b"HERE", chance.choice(wrong))


def _encoded(chance: random.Random, envelope: Document) -> bytes:
    return json.dumps(envelope).encode(chance.choice(["utf-16", "utf-32", "utf-8-sig", "cp037"]))


def _twice(chance: random.Random, envelope: Document) -> bytes:
    """The same member twice in an object: which one counts?"""
    name = chance.choice(sorted(set(envelope) - {"id"}))
    return b"{" + json.dumps({name: anything(chance)})[1:-1].encode() + b"," + _json(envelope)[1:]


def _big(chance: random.Random, envelope: Document) -> bytes:
    path = chance.choice(list(paths(envelope["data"])))
    length = chance.choice([HALF_LIMIT, HALF_LIMIT, HALF_LIMIT, OVER_LIMIT])
    return _json(envelope | {"data": changed(envelope["data"], path, lambda _: "x" * length)})


def _many_fields(chance: random.Random, envelope: Document) -> bytes:
    return _json(envelope | {"data": {f"f{n}": n for n in range(chance.randint(1000, 8000))}})


def _as_it_should_be(chance: random.Random, envelope: Document) -> bytes:
    """Its properties are what is wrong with it."""
    return _json(envelope | {"data": _somebody_else(chance, envelope["data"])})


KINDS: dict[str, Callable[[random.Random, Document], bytes]] = {
    "noise": _noise,
    "truncated JSON": _truncated,
    "flipped bits": _flipped,
    "no JSON object": _no_object,
    "attribute of a wrong kind": _attribute,
    "attribute missing": _attribute_missing,
    "another id": _other_id,
    "unknown type": _wrong_type,
    "field of a wrong kind": _field,
    "every field of a wrong kind": _fields,
    "unknown field": _unknown_field,
    "template syntax": _every_text(TEMPLATES),
    "injection": _every_text(LINES),
    "person number": _every_text(PERSON_NUMBERS),
    "second address": _address,
    "deep nesting": _deep,
    "huge number": _huge_number,
    "broken UTF-8": _broken_utf8,
    "other encoding": _encoded,
    "member twice": _twice,
    "big": _big,
    "many fields": _many_fields,
    "hostile headers": _as_it_should_be,
    "hostile properties": _as_it_should_be,
}


def _headers(chance: random.Random) -> Document:
    values: list[Any] = [b"\xff\xfe", -1, 2**62, True, None, "x" * 5000, {"a": {"b": ["c"]}}, [1, "2", None]]
    names = ["x-death", "x-rummelig-tries", "x-rummelig-queue", "x-rummelig-sender", "x-rummelig-reason", "CC", "x-y"]
    return {"headers": {name: chance.choice(values) for name in chance.sample(names[:5] + names[6:], 3)}}


def _properties(chance: random.Random) -> Document:
    wrong: list[Document] = [
        {"message_id": b"\xff\xfe"},
        {"message_id": "not the envelope's"},
        {"correlation_id": b"\xc3\x28"},
        {"reply_to": "supplier.commands"},
        {"type": b"\xff", "app_id": b"\xff"},
        {"content_type": "image/png", "content_encoding": "gzip"},
        {"timestamp": 2**62},
        {"priority": 255, "delivery_mode": 1},
        {"cluster_id": "x" * 255},
    ]
    return chance.choice(wrong)


PROPERTIES: dict[str, Callable[[random.Random], Document]] = {
    "hostile headers": _headers,
    "hostile properties": _properties,
}
