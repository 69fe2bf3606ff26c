"""The least that a service can be: `python tests/bench/empty_app.py <amqp URL>`, a FastStream app with one subscriber."""

import asyncio
import sys

from faststream import FastStream
from faststream.rabbit import RabbitBroker, RabbitQueue
from pydantic import BaseModel

broker = RabbitBroker(sys.argv[1])
app = FastStream(broker)


class Thing(BaseModel):
    """Something to be told."""

    name: str


@broker.subscriber(RabbitQueue("bench.empty", auto_delete=True))
async def hear(_: Thing) -> None:
    """Nobody sends one."""


@app.after_startup
async def _tell() -> None:
    print("connected", flush=True)


asyncio.run(app.run())
