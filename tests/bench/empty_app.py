"""The least that a service can be, FastStream with one subscriber: `python tests/bench/empty_app.py <amqp URL>`."""

import asyncio
import sys

from faststream import FastStream
from faststream.rabbit import RabbitBroker, RabbitQueue
from pydantic import BaseModel


class Thing(BaseModel):
    """Something to be told."""

    name: str


async def hear(_: Thing) -> None:
    """Nobody sends one."""


def main(url: str) -> None:
    """Until it is ended; `connected` is told."""
    broker = RabbitBroker(url)
    broker.subscriber(RabbitQueue("bench.empty", auto_delete=True))(hear)
    app = FastStream(broker)

    @app.after_startup
    async def tell() -> None:
        print("connected", flush=True)

    asyncio.run(app.run())


if __name__ == "__main__":
    main(sys.argv[1])
