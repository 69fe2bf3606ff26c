"""Messages that can never work, one of each kind."""

import json

from shared.contracts.base import Envelope
from shared.contracts.examples import example
from shared.contracts.supplier import RegisterSupplier

MEGABYTE = json.dumps({"specversion": "1.0", "id": "m", "source": "/m", "type": "m", "data": {"x": "x" * 1_000_000}})


def poison(service: str, id: str) -> dict[str, tuple[bytes, str]]:
    """Kind -> the message, and the reason that it ends with."""

    def event(type: str) -> bytes:
        return Envelope(id=id, source="/poison", type=type, data={}).to_json()

    return {
        "not JSON": (b"\x00\xff not json", "unreadable"),
        "wrong type": (event(f"dk.rummelig.{service}.sing-a-song.v1"), "unknown-type"),
        "unknown version": (event(example(RegisterSupplier).type().replace("v1", "v99")), "unknown-type"),
        "a megabyte": (MEGABYTE.encode(), "unreadable"),
        "deep nesting": (b'{"data":' + b"[" * 50_000, "unreadable"),
    }


KINDS = len(poison("", "x"))
