"""Publishes with the broker's word for it, on a connection of its own.

Its own, since the broker blocks publishing connections under an alarm, and since a channel error here must not take
consumers along (ADR 3). Not a robust one: what failed is published again by who called, with the same id, and the
next call connects anew. What is asked for within one turn of the event loop is written in one piece (`batch`).
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import AMQPError, DeliveryError, PublishError
from aiormq.channel import Channel

from shared.messaging.awaiting import Call, Sent, Turn
from shared.messaging.batch import Lane
from shared.messaging.cancelling import is_nameless
from shared.messaging.incoming import be_direct
from shared.messaging.outgoing import Nacked, Outgoing, Unconfirmed, Unroutable
from shared.messaging.reading import be_quick
from shared.observability import tracing

__all__ = ["Nacked", "Outgoing", "Publisher", "Unconfirmed", "Unroutable"]

be_direct()
be_quick()  # here, since every connection that reads other people's messages is made through this module

HEARTBEAT = 8
"""Seconds. aiormq gives a silent connection up after 3 * (this + 1), and looks every half of it: 31 at the latest."""

RECONNECT_SECONDS = 1.0

RENEW_SECONDS = 20.0
"""How long the broker may say that a queue is full before it is asked on a new channel. It keeps that in mind for each
channel until messages are taken out, also where somebody has raised the limit (seen with RabbitMQ 3.10). Longer than a
publish may take, so that nothing is under way on the channel before the last when that is closed."""

PIECE = 256 << 10
"""Bytes of bodies that are written in one piece; then the socket must have taken them. What waits beyond is bounded by
who asks: the relay's batch, a prefetch of messages in hand; and what is no longer waited for is not written."""

BREAKS = (AMQPError, OSError, TimeoutError, RuntimeError, EOFError, StopAsyncIteration, asyncio.InvalidStateError)
FAULTS = (*BREAKS, asyncio.CancelledError)
"""What aio-pika and aiormq raise when a connection breaks or a channel ends while somebody waits; StopAsyncIteration
where a broker that is just starting takes a connection and hangs up at once."""


class Publisher:
    """A connection that publishes persistent messages with confirms, mandatory, and the user's name on them."""

    def __init__(self, url: str, name: str, timeout: float = 10.0) -> None:
        self._url = url
        self._name = name
        self._timeout = timeout
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._lane: Lane | None = None
        self._retired: AbstractChannel | None = None
        self._renewed = 0.0
        self._opening = asyncio.Lock()
        self._asked: dict[Sent, None] = {}
        """Not written yet, in the order of asking."""
        self._ids: dict[str, Sent] = {}
        """Written and waited for. aiormq finds what the broker returns by its id: never the same twice at a time."""
        self._behind: dict[str, list[Sent]] = {}
        """Waits until the one of the same id has ended."""
        self._turn: Turn | None = None
        self._writing: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    @cached_property
    def user(self) -> str:
        """The broker user that the connection logs in as."""
        return aio_pika.connection.make_url(self._url).user or "guest"

    @property
    def connected(self) -> bool:
        """Whether the last known state is connected."""
        return self._channel is not None and not self._channel.is_closed

    async def publish(self, message: Outgoing) -> None:
        """Publish one; returns when the broker has taken it. Unconfirmed after `timeout` seconds or any fault."""
        if message.traceparent is None or not tracing.is_on():
            await self._publish(message)
            return
        with tracing.span(f"publish {message.exchange} {message.routing_key}", message.traceparent, kind="producer"):
            await self._publish(message)

    async def publish_many(self, messages: Sequence[Outgoing]) -> list[BaseException | None]:
        """Publish side by side, in order on the wire; for each None or what went wrong."""
        if tracing.is_on():
            return await asyncio.gather(*map(self.publish, messages), return_exceptions=True)
        return await self._outcomes(messages)

    async def connection(self) -> AbstractConnection:
        """The open connection; made where there is none."""
        await self._open()
        assert self._connection is not None  # noqa: S101 - _open made it
        return self._connection

    async def stay_connected(self) -> None:
        """Connect anew when the connection is lost, for ever. Publishing does so too, but may have nothing to do."""
        while True:
            if not self.connected:
                with contextlib.suppress(*BREAKS):
                    async with asyncio.timeout(self._timeout):
                        await self.connection()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def close(self) -> None:
        """Close the connection. What is under way is not confirmed."""
        if (writing := self._writing) is not None:
            writing.cancel()
            await asyncio.wait([writing], timeout=2)
            if self._writing is writing and writing.done():
                self._writing = None  # it had not begun, so it ended without a word
        for each in [*self._asked, *chain.from_iterable(self._behind.values()), *self._ids.values()]:
            each.end(asyncio.CancelledError())
        await self._disconnect()

    async def _publish(self, message: Outgoing) -> None:
        (error,) = await self._outcomes([message])
        if error is not None:
            raise error

    async def _outcomes(self, messages: Sequence[Outgoing]) -> list[BaseException | None]:
        sent = self._ask(messages)
        try:
            if sent:
                await sent[0].call.all
        except asyncio.CancelledError as cancelled:
            for each in sent:
                each.end(cancelled)
            raise
        outcomes = [_outcome(each) for each in sent]
        if any(isinstance(outcome, Nacked) for outcome in outcomes):
            await self._renew()
        return outcomes

    def _ask(self, messages: Sequence[Outgoing]) -> list[Sent]:
        loop = asyncio.get_running_loop()
        if self._turn is None or self._turn.began != loop.time():
            self._turn = Turn(loop, self._timeout)
        turn = self._turn
        call = Call(len(messages), loop.create_future())
        sent = [Sent(m, m.message_id or uuid.uuid4().hex, call, turn, self._ended) for m in messages]
        turn.await_these(sent)
        self._write_soon(sent)
        return sent

    def _write_soon(self, sent: Iterable[Sent]) -> None:
        self._asked.update(dict.fromkeys(sent))
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        """Write what is asked for until nothing is; a task lets others of this turn of the loop ask before it."""
        try:
            while self._asked:
                if (lane := self._ready()) is None:
                    async with asyncio.timeout(self._timeout):
                        lane = await self._open()
                await self._write_piece(lane)
        except BaseException as error:  # noqa: BLE001 - whatever it is, those who wait are told
            while self._asked:
                next(iter(self._asked)).end(error)
        finally:
            self._writing = None

    async def _write_piece(self, lane: Lane) -> None:
        piece = self._piece()
        try:
            await lane.write(piece)
        except BaseException as error:
            self._lane = None  # its tags may be ahead of what was written: connect anew
            for each in piece:
                each.end(error)
            raise

    def _piece(self) -> list[Sent]:
        piece, size = [], 0
        for each in list(self._asked):
            if size >= PIECE:
                break
            del self._asked[each]
            if each.message_id in self._ids:
                self._behind.setdefault(each.message_id, []).append(each)
                continue
            self._ids[each.message_id] = each
            piece.append(each)
            size += len(each.message.body)
        return piece

    def _ended(self, sent: Sent) -> None:
        self._asked.pop(sent, None)
        sent.turn.ended(sent)
        sent.call.ended()
        if self._ids.get(sent.message_id) is sent:
            del self._ids[sent.message_id]
            if sent.message_id in self._behind:
                self._write_soon([each for each in self._behind.pop(sent.message_id) if not each.over])

    def _ready(self) -> Lane | None:
        return self._lane if self.connected else None

    async def _open(self) -> Lane:
        if (lane := self._ready()) is not None:
            return lane
        async with self._opening:
            if (lane := self._ready()) is not None:
                return lane
            await self._disconnect()
            self._connection = await aio_pika.connect(
                self._url, heartbeat=HEARTBEAT, timeout=self._timeout, client_properties={"connection_name": self._name}
            )
            self._retired, self._renewed = None, time.monotonic()
            return await self._new_channel()

    async def _renew(self) -> None:
        """Another channel, unless this one is young."""
        if time.monotonic() - self._renewed < RENEW_SECONDS or self._opening.locked():
            return
        async with self._opening:
            self._renewed = time.monotonic()
            with contextlib.suppress(*FAULTS):
                async with asyncio.timeout(self._timeout):
                    if self._retired is not None:
                        await self._retired.close()
                    self._retired = self._channel
                    await self._new_channel()

    async def _new_channel(self) -> Lane:
        assert self._connection is not None  # noqa: S101 - whoever calls has one
        channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        underlay = await channel.get_underlay_channel()
        assert isinstance(underlay, Channel)  # noqa: S101 - what Lane rests on
        self._channel, self._lane = channel, Lane(underlay, self.user)
        return self._lane

    async def _disconnect(self) -> None:
        connection, self._connection, self._channel, self._lane = self._connection, None, None, None
        if connection is not None:
            # In a task that is left alone when it takes too long: aiormq waits for a stuck socket, whoever cancels it.
            self._closing = asyncio.create_task(_close(connection))
            await asyncio.wait([self._closing], timeout=2)


async def _close(connection: AbstractConnection) -> None:
    with contextlib.suppress(*FAULTS):
        await connection.close()


def _outcome(sent: Sent) -> BaseException | None:
    error = sent.error
    if error is None:
        return None
    where = f"{sent.message.exchange}/{sent.message.routing_key}"
    told: Unconfirmed
    if isinstance(error, PublishError):
        told = Unroutable(f"{where}: no queue took it")
    elif isinstance(error, DeliveryError):
        told = Nacked(f"{where}: a queue refused it")
    elif isinstance(error, FAULTS) or is_nameless(error):
        told = Unconfirmed(f"{where}: {error!r}")
    else:
        return error
    told.__cause__ = error
    return told
