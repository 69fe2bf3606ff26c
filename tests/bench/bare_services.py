"""Two services as a script without guarantees would be: aio-pika, pydantic, SQLite; a row, an event, a reply.

python -m tests.bench.bare_services owner|copier <amqp url> <file>
"""

import asyncio
import json
import sqlite3
import sys
import uuid

import aio_pika
from pydantic import BaseModel

from shared.contracts.supplier import RegisterSupplier, SupplierRegistered
from shared.store.sqlite.worker import PRAGMAS

COMMANDS, EVENTS, TABLE = "bare.commands", "bare.events", "suppliers"
PREFETCH = 50


class Wire[Data](BaseModel):
    """The message around what it says."""

    id: str
    data: Data


async def owner(channel: aio_pika.abc.AbstractChannel, file: sqlite3.Connection) -> None:
    """Keep a supplier, tell of it, reply."""
    exchange = await channel.declare_exchange(COMMANDS, "topic", durable=True)
    events = await channel.declare_exchange(EVENTS, "topic", durable=True)
    queue = await channel.declare_queue(COMMANDS, durable=True, arguments={"x-queue-type": "quorum"})
    await queue.bind(exchange, "#")

    async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        said = Wire[RegisterSupplier].model_validate_json(message.body).data
        state = said.model_dump(mode="json", include={"cvr", "name", "email", "municipality", "offerings"})
        told = Wire[SupplierRegistered].model_validate(
            {"id": str(uuid.uuid4()), "data": {**state, "supplier_id": said.cvr}}
        )
        body = told.model_dump_json()
        keep(file, said.cvr, body)
        await events.publish(aio_pika.Message(body.encode(), delivery_mode=2, message_id=told.id), "registered")
        reply = json.dumps({"ok": True, "result": {"supplier_id": said.cvr}}).encode()
        assert message.reply_to is not None
        answer = aio_pika.Message(reply, correlation_id=message.correlation_id)
        await channel.default_exchange.publish(answer, message.reply_to)
        await message.ack()

    await queue.consume(take)


async def copier(channel: aio_pika.abc.AbstractChannel, file: sqlite3.Connection) -> None:
    """Keep a copy."""
    events = await channel.declare_exchange(EVENTS, "topic", durable=True)
    queue = await channel.declare_queue(EVENTS, durable=True, arguments={"x-queue-type": "quorum"})
    await queue.bind(events, "#")

    async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        said = Wire[SupplierRegistered].model_validate_json(message.body).data
        keep(file, said.supplier_id, said.model_dump_json())
        await message.ack()

    await queue.consume(take)


def keep(file: sqlite3.Connection, id: str, body: str) -> None:
    """A row, durable."""
    file.execute(f"INSERT INTO {TABLE} (_id, doc) VALUES (?, ?)", (id, body))


async def main() -> None:
    """Until it is killed."""
    role, url, path = sys.argv[1:]
    file = sqlite3.connect(path, isolation_level=None)
    for pragma in PRAGMAS:
        file.execute(f"PRAGMA {pragma}").fetchall()
    file.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} (row INTEGER PRIMARY KEY, _id TEXT UNIQUE, doc TEXT)")
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        await {"owner": owner, "copier": copier}[role](channel, file)
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
