"""`signup`: command to reply, 64 in flight, for one network event and for many.

Ours is the events service as it runs in production, a process of its own; the baseline is a script that promises
nothing (bare_signup.py), on the same broker, the same kind of store, with the same client. CPU time is that of the
process that is measured, until it was idle again: every event is out, whatever is done after the reply.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from deploy.local.home import ROOT
from shared.contracts.base import CONTENT_TYPE
from shared.contracts.events import SignUp
from shared.messaging.client import Client
from tests.bench import bare_signup
from tests.bench.bench import Bench, free_port
from tests.bench.measuring import Cost, Figure, Side, compared, cpu_of, in_turn
from tests.support.announcing import announced
from tests.support.names import new_name
from tests.support.running import until

IN_FLIGHT = 64
MANY = 10
"""Network events that people sign up for at the same time, in `many`."""
ROOM = 100_000
REPLIES = "amq.rabbitmq.reply-to"


@dataclass
class Asking:
    """A client that asks for sign-ups and hears their replies and the events that they lead to."""

    channel: AbstractChannel
    user: str
    exchange: str
    key: str
    told: int = 0
    waiting: dict[str, asyncio.Future[None]] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, exchange: str, key: str, events: str) -> AsyncIterator["Asking"]:
        """Connected; commands go to the exchange with the key, events come from the queue."""
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel(publisher_confirms=False)
            asking = cls(channel, aio_pika.connection.make_url(url).user or "", exchange, key)
            await (await channel.get_queue(REPLIES, ensure=False)).consume(asking._replied, no_ack=True)
            told = await channel.get_queue(events, ensure=False)
            await told.purge()
            await told.consume(asking._told, no_ack=True)
            yield asking

    async def sign_up(self, event_ids: Sequence[str], count: int) -> None:
        """So many, each with its reply; then until all events were heard."""
        exchange = await self.channel.get_exchange(self.exchange, ensure=False)
        already, run = self.told, new_name()
        free = asyncio.Semaphore(IN_FLIGHT)

        async def one(number: int) -> None:
            async with free:
                message = self._command(event_ids[number % len(event_ids)], f"{run}-{number}")
                replied = self.waiting[str(message.message_id)] = asyncio.get_running_loop().create_future()
                await exchange.publish(message, self.key)
                await replied

        await asyncio.gather(*(one(number) for number in range(count)))

        async def heard() -> int:
            return self.told - already

        await until(heard, lambda found: found == count, 60)

    def _command(self, event_id: str, name: str) -> aio_pika.Message:
        message_id, email = str(uuid.uuid4()), f"{name}@maaling.example"
        body = {
            "specversion": "1.0",
            "id": message_id,
            "source": f"/{self.user}",
            "type": SignUp.type(),
            "data": {"event_id": event_id, "name": "Anna Maaling", "email": email, "attendance": "on-site"},
        }
        return aio_pika.Message(
            json.dumps(body).encode(),
            message_id=message_id,
            correlation_id=message_id,
            reply_to=REPLIES,
            user_id=self.user,
            content_type=CONTENT_TYPE,
            delivery_mode=2,
        )

    async def _replied(self, message: AbstractIncomingMessage) -> None:
        assert json.loads(message.body)["ok"], message.body
        self.waiting.pop(message.correlation_id or "").set_result(None)

    async def _told(self, message: AbstractIncomingMessage) -> None:
        self.told += message.routing_key == "signup-confirmed.v1"


@dataclass(frozen=True)
class Measured:
    """A process that answers, and who asks it."""

    pid: int
    asking: Asking

    async def cost(self, event_ids: Sequence[str], count: int) -> Cost:
        """Of so many sign-ups."""
        cpu, began = cpu_of([self.pid]), time.perf_counter()
        await self.asking.sign_up(event_ids, count)
        wall = time.perf_counter() - began
        return Cost(count, cpu_of([self.pid]) - cpu, wall)


@contextmanager
def process(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process of this project, ended at the end."""
    running = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with running:
        try:
            yield running
        finally:
            running.terminate()


@asynccontextmanager
async def ours(bench: Bench) -> AsyncIterator[Measured]:
    """The events service."""
    settings = {
        "EVENTS_AMQP_URL": bench.broker.url("events"),
        "EVENTS_STORE_URL": bench.new_store(),
        "EVENTS_HTTP_PORT": str(free_port()),
        "EVENTS_LINK_KEYS": "k1:0123456789abcdef0123456789abcdef",
        "EVENTS_ADDRESS_KEY": "0123456789abcdef0123456789abcdef",
        "EVENTS_LOG_LEVEL": "warning",
    }
    url = bench.broker.url("operator")
    with process("services.events", **settings) as running:
        async with Asking.at(url, "events.commands", "sign-up.v1", "notifications.from.events") as asking:
            yield Measured(running.pid, asking)


@asynccontextmanager
async def bare(bench: Bench) -> AsyncIterator[Measured]:
    """The script."""
    url = bench.broker.url("operator")
    with process(bare_signup.__name__, url, bench.new_store()) as running:
        assert running.stdout is not None
        assert await asyncio.to_thread(running.stdout.readline) == "ready\n"
        async with Asking.at(url, "", bare_signup.COMMANDS, bare_signup.EVENTS) as asking:
            yield Measured(running.pid, asking)


async def measure(bench: Bench) -> list[Figure]:
    """One event and many; CPU and wall."""
    count, url = bench.count(3000), bench.broker.url("operator")
    async with ours(bench) as service, bare(bench) as script, Client(url, timeout=60) as client:

        async def of_ours(events: int) -> Cost:
            ids = [await announced(client, f"Måling {number}", ROOM) for number in range(events)]
            return await service.cost(ids, count)

        async def of_script(events: int) -> Cost:
            return await script.cost([str(uuid.uuid4()) for _ in range(events)], count)

        sides: dict[str, Side] = {
            "bare, one": lambda: of_script(1),
            "ours, one": lambda: of_ours(1),
            "bare, many": lambda: of_script(MANY),
            "ours, many": lambda: of_ours(MANY),
        }
        costs = await in_turn(sides, bench)
    figures = []
    for which in ("one", "many"):
        mine, other = costs[f"ours, {which}"], costs[f"bare, {which}"]
        figures.append(compared(f"signup, {which} : bare", mine, other, goal=1.5))
        figures.append(compared(f"signup, {which} : bare, wall", mine, other, goal=1.2, wall=True))
    return figures
