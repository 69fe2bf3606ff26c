"""Lets our connections survive AMQP properties that are not as they should be.

The broker passes on what a publisher wrote; pamqp raises on a property that is no UTF-8, on a time beyond the year 9999
and on a header of an unknown kind, and aiormq takes that for a broken connection. One such message in an input queue
would close the connection again and again, with every message in hand counted as delivered once more, until the broker
lays aside innocent ones. `be_lenient` makes pamqp read such properties as best it can; what the message is worth is
decided after that, where every other message is judged.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pamqp import base, decode

type Decoder = Callable[[bytes], tuple[int, Any]]


def be_lenient() -> None:
    """Change pamqp for the whole process. Doing it again changes nothing."""
    if decode.METHODS["shortstr"] is _short_text:
        return
    decode.METHODS.update(shortstr=_short_text, timestamp=_time, table=_table)
    strict = base.BasicProperties.unmarshal

    def unmarshal(properties: base.BasicProperties, flags: int, data: bytes) -> None:
        strict(properties, flags, data)
        if getattr(properties, "delivery_mode", None) not in (None, 1, 2):  # aio_pika knows no other
            properties.delivery_mode = 2  # type: ignore[attr-defined]

    base.BasicProperties.unmarshal = unmarshal  # type: ignore[assignment, method-assign]


def _short_text(value: bytes) -> tuple[int, str]:
    """One `?` for each byte sequence that is no UTF-8: never longer than it came, so it can be sent on."""
    end = 1 + value[0]
    return end, value[1:end].decode("utf-8", "replace").replace("\ufffd", "?")


def _time(value: bytes) -> tuple[int, datetime | None]:
    try:
        return decode.timestamp(value)
    except (ValueError, OverflowError, OSError):
        return 8, None


def _table(value: bytes) -> tuple[int, dict[str, Any]]:
    try:
        return decode.field_table(value)
    except (ValueError, OverflowError, OSError, RecursionError, ArithmeticError):
        return 4 + int.from_bytes(value[:4]), {}
