"""Writes messages to a channel of aiormq's in one piece, and hears what the broker says of each.

aiormq's own `basic_publish` takes a lock, three futures, a frame object for each part and a drain of the socket for
every message. Here a batch is one entry of the connection's write queue, and aiormq's own reader settles what is in it.
That rests on these of aiormq's (7.2), which tests/messaging/test_batch.py looks at by itself:

- `Channel.delivery_tag` counts what was published on the channel, in the order of the frames. Nobody else publishes on
  a lane's channel, so it needs no lock.
- `Channel.confirmations` holds by tag what is told the outcome: `set_result`, `set_exception`, `done`, `cancelled`.
- `Channel.message_id_delivery_tag` leads from a returned message's id to its tag; who put it there takes it out.
- `Channel.write_queue` takes ChannelFrames, whose payload is written as it is, in order, and whose `drain_future` is
  set when the socket has room again.
- `Channel.closing` ends, with the reason, when the channel or its connection does; then nothing is written any more.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from aiormq.exceptions import ChannelInvalidStateError

from shared.messaging.awaiting import Sent
from shared.messaging.framing import framed, short


class Lane:
    """A channel that nobody else publishes on."""

    def __init__(self, channel: Channel, user: str) -> None:
        self._channel = channel
        self._user = short(user)
        self._drained = channel.loop.create_future()
        self._drained.set_result(None)
        channel.closing.add_done_callback(self._closed)

    async def write(self, batch: Sequence[Sent]) -> None:
        """Write it; returns when the socket has room for more, so that a slow one holds up who writes."""
        channel = self._channel
        if channel.is_closed:
            raise ChannelInvalidStateError("closed")
        if pieces := self._registered(batch, channel):
            self._drained = channel.loop.create_future()
            await self._put(ChannelFrame(payload=b"".join(pieces), should_close=False, drain_future=self._drained))

    def forget(self, sent: Sent) -> None:
        """Its id may be used again. Its tag stays until the broker speaks of it."""
        ids = self._channel.message_id_delivery_tag
        if ids.get(sent.message_id) == sent.tag:
            del ids[sent.message_id]

    def _registered(self, batch: Sequence[Sent], channel: Channel) -> list[bytes]:
        """The frames of what can be written. Nothing may be awaited between the first tag and the queue."""
        pieces: list[bytes] = []
        for sent in batch:
            try:
                frames = framed(sent.message, sent.message_id, self._user, channel.number, channel.max_content_size)
            except Exception as error:  # noqa: BLE001 - whatever pamqp says of a header, it is this message's own
                sent.end(error)
                continue
            channel.delivery_tag += 1
            sent.lane, sent.tag = self, channel.delivery_tag
            channel.confirmations[sent.tag] = sent  # type: ignore[assignment]
            channel.message_id_delivery_tag[sent.message_id] = sent.tag
            pieces += frames
        return pieces

    async def _put(self, frame: ChannelFrame) -> None:
        try:
            self._channel.write_queue.put_nowait(frame)
        except asyncio.QueueFull:  # the socket is stuck: heartbeats wait in it
            putting = asyncio.create_task(self._channel.write_queue.put(frame))
            try:
                await asyncio.wait([putting, self._drained], return_when=asyncio.FIRST_COMPLETED)
            finally:
                putting.cancel()
        await self._drained

    def _closed(self, closing: asyncio.Future[Any]) -> None:
        """Nothing more will be heard of what is under way, nor be written."""
        error = asyncio.CancelledError() if closing.cancelled() else closing.exception()
        confirmations: dict[int, Any] = self._channel.confirmations
        for sent in [each for each in confirmations.values() if isinstance(each, Sent)]:
            sent.end(error or ChannelInvalidStateError("closed"))
        if not self._drained.done():
            self._drained.set_result(None)
