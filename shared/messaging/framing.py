"""A persistent message as the bytes that AMQP 0-9-1 has on the wire (sections 2.3.5 and 4.2): method, header, body.

Written out here, since pamqp asks for the kind of every field again for every message, which costs ten times as much.
"""

from functools import lru_cache
from struct import Struct

from pamqp.encode import field_table

from shared.messaging.outgoing import Outgoing

METHOD, HEADER, BODY, END = 1, 2, 3, b"\xce"
BASIC, PUBLISH = 60, 40
PERSISTENT = b"\x02"

CONTENT_TYPE, HEADERS, DELIVERY_MODE, CORRELATION_ID = 1 << 15, 1 << 13, 1 << 12, 1 << 10
REPLY_TO, MESSAGE_ID, USER_ID = 1 << 9, 1 << 7, 1 << 4
"""Flags of the properties that are there; the properties follow in this order."""

_frame = Struct(">BHI").pack
_method = Struct(">HHH").pack
_header = Struct(">HHQH").pack


def framed(message: Outgoing, message_id: str, user: bytes, channel: int, most: int) -> list[bytes]:
    """Its frames, in pieces; `user` is `short(…)` of the user's name, `most` the bytes of body that a frame holds,
    below 1 where the broker has set no limit.

    An error of any kind where it cannot be written: text of more than 255 bytes, a header that pamqp cannot write.
    """
    properties = _properties(message, message_id, user)
    head = [_publish(channel, message.exchange, message.routing_key, message.mandatory)]
    head += [_frame(HEADER, channel, len(properties)), properties, END]
    body = message.body
    size = most if most > 0 else len(body) or 1
    for start in range(0, len(body), size):
        part = body[start : start + size]
        head += [_frame(BODY, channel, len(part)), part, END]
    return head


def short(text: str) -> bytes:
    """Text with its length in front."""
    data = text.encode()
    if len(data) > 255:
        raise ValueError(f"longer than 255 bytes: {text!r:.60}")
    return bytes((len(data),)) + data


@lru_cache(maxsize=1024)
def _publish(channel: int, exchange: str, routing_key: str, mandatory: bool) -> bytes:
    """Few for a service but the queues of those who wait for replies."""
    method = _method(BASIC, PUBLISH, 0) + short(exchange) + short(routing_key) + bytes((mandatory,))
    return _frame(METHOD, channel, len(method)) + method + END


def _properties(message: Outgoing, message_id: str, user: bytes) -> bytes:
    flags = DELIVERY_MODE | MESSAGE_ID | USER_ID
    before, between = b"", b""
    if message.content_type:
        flags |= CONTENT_TYPE
        before = short(message.content_type)
    if message.headers:
        flags |= HEADERS
        before += field_table(message.headers)
    if message.correlation_id:
        flags |= CORRELATION_ID
        between = short(message.correlation_id)
    if message.reply_to:
        flags |= REPLY_TO
        between += short(message.reply_to)
    head = _header(BASIC, 0, len(message.body), flags)
    return b"".join((head, before, PERSISTENT, between, short(message_id), user))
