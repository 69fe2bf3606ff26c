"""Frames are read as pamqp reads them, however they come; and a connection that ends in the middle of one is broken."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiormq import connection
from aiormq.exceptions import AMQPConnectionError, InvalidFrameError, ProtocolSyntaxError
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.exceptions import PAMQPException
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from shared.messaging.reading import Frames, unmarshalled

EVERYTHING = Basic.Properties(
    content_type="application/cloudevents+json",
    content_encoding="utf-8",
    headers={"x": "æ", "n": 1, "deep": {"list": [1, "two"]}},
    delivery_mode=2,
    priority=7,
    correlation_id="c" * 255,
    reply_to="amq.rabbitmq.reply-to.g1h2",
    expiration="60000",
    message_id="m1",
    timestamp=datetime(2026, 1, 2, tzinfo=UTC),
    message_type="t",
    user_id="probe",
    app_id="app",
)
WHOLE = [
    frame.marshal(each, 7)
    for each in (
        Basic.Deliver("ctag1.æ", 2**40, True, "probe.events", "added.v1"),
        Basic.Deliver("", 1, False, "", ""),
        ContentHeader(body_size=0, properties=Basic.Properties()),
        ContentHeader(body_size=2**33, properties=EVERYTHING),
        ContentHeader(body_size=3, properties=Basic.Properties(headers={}, user_id="u", delivery_mode=1)),
        ContentBody(b"x\xce" * 100),
        Basic.Ack(9, True),
        Basic.Cancel("ctag1", True),
        Basic.Return(312, "NO_ROUTE", "", "nobody"),
    )
] + [Heartbeat().marshal()]


def said(read: Callable[[bytes], Any], data: bytes) -> Any:
    """What a frame says, or how it is refused."""
    try:
        length, channel, value = read(data)
    except (PAMQPException, IndexError):  # the lenient readers of text run over the end of what is cut off
        return "refused"
    return length, channel, type(value), spread(value)


def spread(value: Any) -> Any:
    names = [*getattr(value, "__slots__", ()), *getattr(value, "__dict__", ())]
    found = {name: getattr(value, name) for name in names}
    return {n: spread(v) if isinstance(v, Basic.Properties) else v for n, v in found.items()}


@pytest.mark.parametrize("data", WHOLE)
def test_it_is_read_as_pamqp_reads_it(data):
    assert said(unmarshalled, data) == said(frame.unmarshal, data)


@pytest.mark.parametrize("data", WHOLE)
def test_whatever_is_wrong_with_it(data):
    """One byte is another one: lengths, flags, text that is none, the end."""
    for at in range(7, min(len(data), 300)):
        for byte in (0, 1, 3, 127, 255):
            broken = data[:at] + bytes((byte,)) + data[at + 1 :]
            assert said(unmarshalled, broken) == said(frame.unmarshal, broken), (at, byte)


async def collected(*pieces: bytes, ended: bool = True) -> list[Any]:
    reader = asyncio.StreamReader()
    frames, found = Frames(reader), list[Any]()

    async def read() -> None:
        async for length, channel, value in frames:
            found.append((length, channel, type(value), spread(value)))

    reading = asyncio.create_task(read())
    for piece in pieces:
        reader.feed_data(piece)
        await asyncio.sleep(0)
    if ended:
        reader.feed_eof()
    else:
        reader.set_exception(ConnectionResetError("gone"))
    try:
        await reading
    except AMQPConnectionError as broken:
        found.append(type(broken))
    return found


@pytest.mark.parametrize("size", [1, 2, 7, 8, 50, 100_000])
async def test_it_does_not_matter_how_they_come(size):
    data = b"".join(WHOLE)
    found = await collected(*(data[start : start + size] for start in range(0, len(data), size)))
    assert [each for each in found if each is not AMQPConnectionError] == [
        said(frame.unmarshal, each) for each in WHOLE
    ]


async def test_a_connection_that_ends_within_a_frame_or_with_an_error_is_broken():
    assert (await collected(WHOLE[0][:-1]))[-1] is AMQPConnectionError
    assert (await collected(WHOLE[0], ended=False))[-1] is AMQPConnectionError


async def test_what_is_no_amqp_is_refused():
    for data, refused in ((b"AMQP\0\0\x09\x01", ProtocolSyntaxError), (WHOLE[0][:-1] + b"\0", InvalidFrameError)):
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        with pytest.raises(refused):
            await Frames(reader).get_frame()


async def test_every_connection_reads_so(operator, monkeypatch):
    """Fails where a new aiormq reads by other means than the class that is replaced."""
    filled: list[Frames] = []
    fill = Frames._fill

    async def noted(frames: Frames) -> None:
        filled.append(frames)
        await fill(frames)

    monkeypatch.setattr(Frames, "_fill", noted)
    await operator.connection()
    assert filled
    assert connection.FrameReceiver is Frames
