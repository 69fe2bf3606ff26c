"""Publisher and subscribers of the suite: our own plumbing on a real broker, a store for each consumer group.

publish ─► exchange notes.outbox ─► notes.events ─► queue <group>.from.notes of each group ─► handler ─► effect
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aio_pika

from shared.contracts.base import Envelope
from shared.messaging.publisher import Outgoing, Publisher
from shared.messaging.subscription import Subscription
from shared.messaging.topology import Topology
from shared.service import Service
from shared.store.work import Work
from tests.faults.watermill.notes import EFFECTS, NOTED, SERVICE, TOPICS, Effect, Note
from tests.support.running import running, until

RETRIES = 5
TIERS = (0.02,) * 8
"""More tries than the suite has errors for one message."""

type Before = Callable[[Note, Work], Awaitable[None]]
"""What a test does in the handler before the effect: wait, raise, look."""


async def nothing(_: Note, __: Work) -> None:
    """Goes on."""


class Group:
    """A consumer group: the service of that name. `received`: the messages whose handler came to its end."""

    def __init__(self, url: str, folder: Path, topics: Sequence[type[Note]]) -> None:
        self.name = f"reader{uuid.uuid4().hex[:8]}"
        self.queue = f"{self.name}.from.{SERVICE}"
        self.received: list[Envelope] = []
        self.before: Before = nothing
        self._url = url
        self._folder = folder
        self._topics = topics

    def subscribed(self, prefetch: int = 50) -> AbstractAsyncContextManager[Service]:
        """A subscriber, as long as the block lasts."""
        tables: Any = SimpleNamespace(COMMANDS={}, CONSUMES=dict.fromkeys(self._topics, self._note), PUBLISHES=())
        return running(
            tables, [EFFECTS], self._folder, self._url, name=self.name, prefetch=prefetch, retry_delays=TIERS
        )

    async def initialize(self) -> None:
        """Make the subscription, and leave it: from now on the group's queue keeps what comes."""
        async with self.subscribed():
            pass

    @asynccontextmanager
    async def multiplied(self, subscribers: int, prefetch: int = 50) -> AsyncIterator[Service]:
        """So many subscribers, each on a connection of its own, over one store."""
        async with self.subscribed(prefetch) as service, AsyncExitStack() as stack:
            for number in range(subscribers - 1):
                stack.push_async_callback(_ended, asyncio.create_task(self._further(service, number).run()))
            yield service

    async def all(self, messages: Sequence[Envelope], patience: float = 60.0) -> None:
        """Wait until each message was received and has its effect; the test fails if one has more."""
        wanted = {each.id for each in messages}

        async def missing() -> set[str]:
            return wanted - {each.id for each in self.received}

        await until(missing, lambda ids: not ids, patience=patience)
        assert {each.id for each in self.received} == wanted

    def _further(self, service: Service, number: int) -> Subscription:
        async def prepared() -> None:
            """By the first."""

        return Subscription(
            self._url,
            f"{self.name}-{number}",
            [self.queue],
            service._consumer.take,
            prefetch=service.settings.prefetch,
            shutdown_seconds=5,
            prepare=prepared,
        )

    async def _note(self, note: Note, work: Work) -> None:
        await self.before(note, work)
        await work.put(EFFECTS, Effect(id=work.message.id, version=1, number=note.number))
        self.received.append(work.message)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


class PubSub:
    """Makes publishers and consumer groups, and takes what they leave on the broker away at the end."""

    def __init__(self, url: str, folder: Path, publisher: Publisher) -> None:
        self._url = url
        self._folder = folder
        self._publisher = publisher
        self._groups: list[Group] = []

    async def group(self, topics: Sequence[type[Note]] = (NOTED,)) -> Group:
        """A consumer group whose subscription is made."""
        group = Group(self._url, self._folder, topics)
        self._groups.append(group)
        await group.initialize()
        return group

    async def publish(self, *messages: Envelope, publisher: Publisher | None = None) -> None:
        """Publish, each again with its id until the broker has confirmed it, at most five times."""
        left = list(messages)
        for _ in range(RETRIES):
            said = await (publisher or self._publisher).publish_many([_outgoing(each) for each in left])
            left = [each for each, error in zip(left, said, strict=True) if error]
            if not left:
                return
        raise AssertionError(f"{len(left)} messages were not confirmed")

    def publisher(self) -> Publisher:
        """A further one, for the test to close."""
        return Publisher(self._url, "further")

    async def remove(self) -> None:
        """Delete the groups' queues and exchanges."""
        async with await aio_pika.connect(self._url) as connection:
            channel = await connection.channel()
            for group in self._groups:
                topology = Topology(group.name, {SERVICE: ()}, delays=TIERS)
                for queue in topology.queues():
                    await channel.queue_delete(queue.name)
                for exchange in topology.exchanges():
                    await channel.exchange_delete(exchange.name)


def _outgoing(message: Envelope) -> Outgoing:
    return Outgoing(f"{SERVICE}.outbox", message.type.split(".", 3)[-1], message.to_json(), message.id)


@asynccontextmanager
async def pubsub(url: str, folder: Path) -> AsyncIterator[PubSub]:
    """The publishing service, running."""
    tables: Any = SimpleNamespace(COMMANDS={}, CONSUMES={}, PUBLISHES=tuple(TOPICS))
    async with running(tables, [], folder, url, name=SERVICE) as service:
        found = PubSub(url, folder, service.publisher)
        yield found
    await found.remove()
