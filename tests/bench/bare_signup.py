"""The baseline of `signup`: a script that promises nothing. Insert, count the seat, tell it, reply, acknowledge.

    python -m tests.bench.bare_signup AMQP_URL STORE_URL

No outbox, no inbox, no retries: a crash at any line loses something or does it twice. Durable like ours: a sign-up that
was answered survives kill -9, and the broker has confirmed what was published.
"""

import asyncio
import json
import sqlite3
import sys
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Literal

import aio_pika
import uvloop
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import BaseModel, EmailStr
from pymongo import ReturnDocument

COMMANDS, EVENTS = "bare.commands", "bare.events"
SEATS = 1_000_000
QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}
PREFETCH = 64

type Write = Callable[["SignUp", str], Awaitable[int]]
"""Keeps a sign-up under an id; its place among those of its event."""


class SignUp(BaseModel):
    """What is asked for."""

    event_id: str
    name: str
    email: EmailStr
    attendance: Literal["on-site", "online"]


class Command(BaseModel):
    """The message, as CloudEvents has it."""

    id: str
    data: SignUp


def sqlite(path: str) -> Write:
    """One connection in a thread of its own, a transaction a sign-up."""
    thread = ThreadPoolExecutor(1)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for line in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "CREATE TABLE seats (event_id TEXT PRIMARY KEY, taken INTEGER) WITHOUT ROWID",
        "CREATE TABLE signups (id TEXT PRIMARY KEY, event_id TEXT, email TEXT, name TEXT, attendance TEXT, at TEXT)",
        "CREATE UNIQUE INDEX one_each ON signups (email, event_id)",
    ):
        connection.execute(line)

    def write(wish: SignUp, id: str) -> int:
        row = (id, wish.event_id, wish.email, wish.name, wish.attendance, datetime.now(UTC).isoformat())
        connection.execute("BEGIN IMMEDIATE")
        (taken,) = connection.execute(
            "INSERT INTO seats VALUES (?, 1) ON CONFLICT DO UPDATE SET taken = taken + 1"
            " WHERE taken < ? RETURNING taken",
            (wish.event_id, SEATS),
        ).fetchone()
        connection.execute("INSERT INTO signups VALUES (?, ?, ?, ?, ?, ?)", row)
        connection.execute("COMMIT")
        return int(taken)

    async def keep(wish: SignUp, id: str) -> int:
        return await asyncio.get_running_loop().run_in_executor(thread, write, wish, id)

    return keep


def mongo(url: str) -> Write:
    """Count the seat, then insert: two writes."""
    database: Any = AsyncIOMotorClient(url).get_default_database()

    async def keep(wish: SignUp, id: str) -> int:
        found: dict[str, Any] = await database.seats.find_one_and_update(
            {"_id": wish.event_id}, {"$inc": {"taken": 1}}, upsert=True, return_document=ReturnDocument.AFTER
        )
        await database.signups.insert_one({"_id": id, **wish.model_dump(), "at": datetime.now(UTC)})
        return int(found["taken"])

    return keep


def event_of(wish: SignUp, id: str, cause: str, place: int) -> bytes:
    """What is told, of about the size that ours has."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": "/bare",
            "type": "bare.signup-confirmed.v1",
            "subject": id,
            "time": datetime.now(UTC).isoformat(),
            "causationid": cause,
            "data": {"signup_id": id, "place": place, **wish.model_dump(), "details": {"about": "x" * 600}},
        }
    ).encode()


async def answer(
    message: AbstractIncomingMessage, events: AbstractExchange, replies: AbstractExchange, write: Write
) -> None:
    """One command from its bytes to its acknowledgement."""
    command = Command.model_validate_json(message.body)
    signup_id = str(uuid.uuid4())
    place = await write(command.data, signup_id)
    event = event_of(command.data, signup_id, command.id, place)
    await events.publish(aio_pika.Message(event, delivery_mode=2), "signup-confirmed.v1")
    reply = json.dumps({"ok": True, "result": {"signup_id": signup_id, "place": place}}).encode()
    await replies.publish(aio_pika.Message(reply, correlation_id=command.id), message.reply_to or "")
    await message.ack()


async def main(amqp_url: str, store_url: str) -> None:
    """For ever."""
    write = mongo(store_url) if store_url.startswith("mongodb") else sqlite(store_url.removeprefix("sqlite:///"))
    connection = await aio_pika.connect(amqp_url)
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=PREFETCH)
    commands = await channel.declare_queue(COMMANDS, durable=True, arguments=QUORUM)
    events = await channel.declare_exchange(EVENTS, "topic", durable=True)
    await (await channel.declare_queue(EVENTS, durable=True, arguments=QUORUM)).bind(events, "#")
    replies = channel.default_exchange
    await commands.consume(lambda message: answer(message, events, replies, write))
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2]))
