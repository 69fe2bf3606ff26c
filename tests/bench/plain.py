"""The baselines of `consume`, with plain libraries and nothing of ours, each in a process of its own.

    python -m tests.bench.plain bare|plain URL QUEUE PREFETCH COUNT

Of its own, since our messaging changes how aiormq and pamqp read, for the whole process.
"""

import asyncio
import json
import sys
from dataclasses import asdict
from datetime import datetime

import aio_pika
import uvloop
from faststream import AckPolicy
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from pydantic import BaseModel

from tests.bench.measuring import Cost, Stopwatch


class Data(BaseModel):
    """What the event says."""

    counter: str
    total: int


class Wire(BaseModel):
    """The whole message, as a script without an outbox would declare it."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: Data


class Countdown:
    """Set when so many were handled."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.done = asyncio.Event()

    def one(self) -> None:
        """One was handled."""
        self.left -= 1
        if not self.left:
            self.done.set()


async def bare(url: str, name: str, prefetch: int, count: int) -> Cost:
    """aio-pika and pydantic: parse, acknowledge."""
    countdown = Countdown(count)

    async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        Wire.model_validate_json(message.body)
        await message.ack()
        countdown.one()

    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=prefetch)
        queue = await channel.get_queue(name, ensure=False)
        with Stopwatch() as watch:
            await queue.consume(take)
            await countdown.done.wait()
    return watch.cost(count)


async def plain(url: str, name: str, prefetch: int, count: int) -> Cost:
    """A plain FastStream subscriber with a typed handler."""
    countdown = Countdown(count)
    broker = RabbitBroker(url, logger=None)

    @broker.subscriber(
        RabbitQueue(name, declare=False), channel=Channel(prefetch_count=prefetch), ack_policy=AckPolicy.ACK
    )
    async def take(message: Wire) -> None:
        countdown.one()

    with Stopwatch() as watch:
        await broker.start()
        await countdown.done.wait()
    await broker.stop()
    return watch.cost(count)


async def apart(side: str, url: str, name: str, prefetch: int, count: int) -> Cost:
    """What a side cost in a process of its own, without its start."""
    command = (sys.executable, "-m", __name__, side, url, name, f"{prefetch}", f"{count}")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    return Cost(**json.loads(told))


def main(side: str, url: str, name: str, prefetch: str, count: str) -> None:
    """Measure one side and print what it cost."""
    act = {"bare": bare, "plain": plain}[side]
    print(json.dumps(asdict(uvloop.run(act(url, name, int(prefetch), int(count))))))


if __name__ == "__main__":
    main(*sys.argv[1:])
