"""Lets our connections read frames at a fraction of the cost; the broker's deliveries are most of what they read.

aiormq asks its stream three times for every frame, and pamqp asks for the kind of every field of it. `be_quick` puts
Frames in the place of aiormq's FrameReceiver, for every connection made after that: it takes what the socket has, and
reads the three frames of a delivery (AMQP 0-9-1, sections 2.3.5 and 4.2) by itself. All other frames, and whatever it
does not understand, pamqp reads as before. tests/messaging/test_reading.py compares the two.
"""

from collections.abc import Callable
from functools import lru_cache
from struct import Struct, error
from typing import Any, override

from aiormq import connection
from aiormq.exceptions import AMQPConnectionError, InvalidFrameError, ProtocolSyntaxError
from pamqp import decode, frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.exceptions import PAMQPException
from pamqp.header import ContentHeader

from shared.messaging.leniency import be_lenient

CHUNK = 256 << 10
HEAD = 7
METHOD, HEADER, BODY, END = 1, 2, 3, 0xCE
DELIVER = Basic.Deliver.index.to_bytes(4)

PROPERTIES = (
    (1 << 15, "content_type", "shortstr"),
    (1 << 14, "content_encoding", "shortstr"),
    (1 << 13, "headers", "table"),
    (1 << 12, "delivery_mode", "octet"),
    (1 << 11, "priority", "octet"),
    (1 << 10, "correlation_id", "shortstr"),
    (1 << 9, "reply_to", "shortstr"),
    (1 << 8, "expiration", "shortstr"),
    (1 << 7, "message_id", "shortstr"),
    (1 << 6, "timestamp", "timestamp"),
    (1 << 5, "message_type", "shortstr"),
    (1 << 4, "user_id", "shortstr"),
    (1 << 3, "app_id", "shortstr"),
    (1 << 2, "cluster_id", "shortstr"),
)
"""Flag, name and kind, in the order in which those that are there follow one another."""

_head = Struct(">BHI").unpack_from
_content = Struct(">HHQH").unpack_from
_tag = Struct(">qB").unpack_from

type Frame = tuple[int, int, Any]
"""Bytes, channel and what they say, as pamqp returns it."""


def be_quick() -> None:
    """Change aiormq for the whole process. Doing it again changes nothing."""
    be_lenient()
    connection.FrameReceiver = Frames  # type: ignore[misc]


class Frames(connection.FrameReceiver):
    """Reads frames from a buffer that is filled with whatever has come."""

    _data = b""
    _at = 0

    @override
    async def get_frame(self) -> Frame:
        while (end := self._end()) is None:
            await self._fill()
        data, self._at = self._data[self._at : end], end
        try:
            return unmarshalled(data)
        except (PAMQPException, IndexError) as bad:
            raise InvalidFrameError(str(bad)) from bad

    __anext__ = get_frame

    def _end(self) -> int | None:
        """Where the next frame ends, if all of it is there."""
        if len(self._data) - self._at < HEAD:
            return None
        if not self.started:
            if self._data.startswith(b"AMQP"):
                raise ProtocolSyntaxError("Unexpected AMQP protocol header")
            self.started = True
        end: int = self._at + HEAD + _head(self._data, self._at)[2] + 1
        return end if end <= len(self._data) else None

    async def _fill(self) -> None:
        left = self._data[self._at :]
        if not left and self.reader.at_eof():
            raise StopAsyncIteration
        try:
            more = await self.reader.read(CHUNK)
        except OSError as broken:
            raise AMQPConnectionError(f"Server communication error: {broken!r}") from broken
        if not more:
            raise AMQPConnectionError(f"Server connection unexpectedly closed. {len(left)} bytes of a frame came")
        self._data, self._at = left + more, 0


def unmarshalled(data: bytes) -> Frame:
    """One frame."""
    kind, channel, _ = _head(data)
    if data[-1] == END:
        try:
            if kind == METHOD and data.startswith(DELIVER, HEAD):
                return len(data), channel, _deliver(data)
            if kind == HEADER:
                return len(data), channel, _content_header(data)
            if kind == BODY and len(data) > HEAD + 1:
                return len(data), channel, ContentBody(data[HEAD:-1])
        except (ValueError, error, IndexError):
            pass  # pamqp says what is wrong with it
    return frame.unmarshal(data)


def _deliver(data: bytes) -> Basic.Deliver:
    used, consumer_tag = _short(data, HEAD + 4)
    delivery_tag, redelivered = _tag(data, used)
    used, exchange = _short(data, used + 9)
    _, routing_key = _short(data, used)
    return Basic.Deliver(consumer_tag, delivery_tag, bool(redelivered & 1), exchange, routing_key)


def _short(data: bytes, at: int) -> tuple[int, str]:
    end = at + 1 + data[at]
    if end >= len(data):
        raise ValueError("cut off")
    return end, data[at + 1 : end].decode()


def _content_header(data: bytes) -> ContentHeader:
    class_id, weight, size, flags = _content(data, HEAD)
    properties, at = Basic.Properties(), HEAD + 14
    for name, read in _those(flags):
        used, value = read(data[at:-1])
        setattr(properties, name, value)
        at += used
    if properties.delivery_mode not in {None, 1, 2}:  # as `leniency` has it
        properties.delivery_mode = 2
    header = ContentHeader(weight, size, properties)
    header.class_id = class_id
    return header


@lru_cache(maxsize=256)
def _those(flags: int) -> tuple[tuple[str, Callable[[bytes], tuple[int, Any]]], ...]:
    """What is there, and how it is read: few combinations are ever seen."""
    if flags & 3:
        raise ValueError("more flags than there are properties")
    return tuple((name, decode.METHODS[kind]) for flag, name, kind in PROPERTIES if flags & flag)
