"""The consuming side of a service: a FastStream broker, watched and built anew when it no longer consumes.

FastStream's robust connection restores channels and consumers by itself in most cases, but a restore that cannot
succeed is tried for ever with a log line only, and a consumer that the broker cancelled is not missed by anyone
(faults 8, 13, 22). So what counts here is whether each queue has its consumer on an open channel.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import structlog
from aio_pika import IncomingMessage
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustQueue
from faststream import AckPolicy
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from faststream.rabbit.message import RabbitMessage

from shared.messaging.publisher import HEARTBEAT

log = structlog.get_logger()

type Take = Callable[[AbstractIncomingMessage, str], Awaitable[None]]

WATCH_SECONDS = 1.0
PATIENCE = 8
"""Looks in a row without a consumer before the broker object is thrown away and made anew."""

PAUSES = (0.2,) * 10 + (0.3,) * 5 + (0.5, 1.0, 2.0)
"""Seconds between attempts to begin: short ones as long as a broker takes that is started beside the service."""

AWAY_LOOKS = 600
"""Looks in a row with the store away before what is held is given back, once, and nothing is taken until it is there:
a consumer that holds a message for 30 minutes loses its channel, again and again, and each time counts as a delivery.
"""

NO_ID = "-"

CONNECT_SECONDS = 10.0
"""How long the broker may take to answer a new connection."""


async def _nothing() -> None:
    """Every message is settled by whoever takes it."""


class Subscription:
    """Consumes from queues with a bounded number of messages in hand for each."""

    def __init__(
        self,
        url: str,
        name: str,
        queues: Sequence[str],
        take: Take,
        *,
        prefetch: int,
        shutdown_seconds: float,
        prepare: Callable[[], Awaitable[None]],
        settle: Callable[[], Awaitable[None]] = _nothing,
        away: Callable[[], bool] = lambda: False,
    ) -> None:
        self._url = url
        self._name = name
        self._queues = queues
        self._take = take
        self._prefetch = prefetch
        self._shutdown_seconds = shutdown_seconds
        self._prepare = prepare
        self._settle = settle
        self._away = away
        self._broker: RabbitBroker | None = None
        self.reasons: list[str] = ["consumers are not started yet"]

    async def run(self) -> None:
        """Consume for ever; when cancelled, finish what is in hand and stop."""
        self.reasons = ["consumers are not started yet"]
        try:
            while True:
                await self._start()
                await self._watch()
                log.warning("consumers_rebuilt", reasons=self.reasons, store_away=self._away())
                await self._stop()
        finally:
            await self._stop()

    async def _start(self) -> None:
        attempt, told = 0, ""
        while True:
            while self._away():
                self.reasons = ["no messages are taken while the store is away"]
                await asyncio.sleep(WATCH_SECONDS)
            try:
                await self._prepare()
                self._broker = self._build()
                await _begin(self._broker)
            except Exception as error:  # noqa: BLE001 - any fault of broker or topology: say it and try again
                self.reasons = [f"broker: {error!s:.200}"]
                if str(error) != told:
                    log.warning("broker_away", error=str(error))
                    told = str(error)
                await self._stop()
                await asyncio.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])
                attempt += 1
            else:
                log.info("consuming", queues=list(self._queues))
                return

    async def _watch(self) -> None:
        missed = away = 0
        while missed < PATIENCE and away < AWAY_LOOKS:
            self.reasons = [f"no consumer on {queue}" for queue in self.missing()]
            missed = missed + 1 if self.reasons else 0
            away = away + 1 if self._away() else 0
            await asyncio.sleep(WATCH_SECONDS)

    async def _stop(self) -> None:
        broker, self._broker = self._broker, None
        if broker is None:
            return
        connection = broker._connection  # noqa: SLF001 - what stop leaves open where it does not come to its end
        grace = 1 if self._away() else self._shutdown_seconds + 2  # what waits for the store does not come to its end
        with contextlib.suppress(Exception):
            async with asyncio.timeout(grace):
                await asyncio.gather(*(subscriber.stop() for subscriber in broker.subscribers))
                await self._settle()
                await broker.stop()
        if connection is not None and not connection.is_closed:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(2):
                    await connection.close()

    def _build(self) -> RabbitBroker:
        broker = RabbitBroker(
            self._url + ("&" if "?" in self._url else "?") + f"heartbeat={HEARTBEAT}&name={self._name}",
            timeout=CONNECT_SECONDS,
            reconnect_interval=1.0,
            fail_fast=True,
            apply_types=False,  # no dependency injection: the table in messages.py says what is called
            logger=None,  # a line a message tells nothing; faults are told where they are settled
            graceful_timeout=self._shutdown_seconds,
        )
        for queue in self._queues:
            subscriber = broker.subscriber(
                RabbitQueue(queue, declare=False),  # declared by prepare, with its bindings
                ack_policy=AckPolicy.MANUAL,  # Consumer settles in every case; its parser cannot fail
                channel=Channel(prefetch_count=self._prefetch),
                no_reply=True,
                parser=_unparsed,
                decoder=_as_is,
            )
            subscriber(partial(_handle, self._take, queue))
            # FastStream drops, and never settles, what comes before its start() has returned.
            subscriber.running = True
        return broker

    def missing(self) -> list[str]:
        """Queues without a consumer of ours."""
        subscribers: Sequence[Any] = self._broker.subscribers if self._broker else []
        consuming = {s.queue.name for s in subscribers if _consumes(s)}
        return [queue for queue in self._queues if queue not in consuming]


async def _begin(broker: RabbitBroker) -> None:
    """Start, and where that is no longer wanted let the attempt end by itself: aio-pika's robust connection takes the
    cancellation of its first attempt for a fault and would go on in the background for ever.
    """
    starting = asyncio.create_task(broker.start())
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait([starting], timeout=CONNECT_SECONDS + 1)
        raise


async def _unparsed(raw: IncomingMessage) -> RabbitMessage:
    """No more than FastStream asks for: its own parser makes up ids for what has none, the dearest thing on the way."""
    return RabbitMessage(raw_message=raw, body=raw.body, message_id=NO_ID, correlation_id=NO_ID)


async def _as_is(message: RabbitMessage) -> RabbitMessage:
    """The handler reads the bytes itself, once, where every error is settled."""
    return message


async def _handle(take: Take, queue: str, message: RabbitMessage) -> None:
    await take(message.raw_message, queue)


def _consumes(subscriber: Any) -> bool:
    """Whether the subscriber's consumer tag is known on an open channel: what the client library itself would use."""
    queue: AbstractRobustQueue | None = subscriber._queue_obj  # noqa: SLF001 - FastStream shows no state of consumers
    if queue is None or queue.channel.is_closed:
        return False
    underlay = getattr(queue.channel, "_channel", None)
    channel = getattr(underlay, "channel", None)
    return channel is not None and not channel.is_closed and bool(channel.consumers)
