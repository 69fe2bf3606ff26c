"""What waits on the broker and mentions a person: dead letters, unrouted events, retry tiers. For operators.

The queues that services work on are left to them: they skip what is about an erased person. So is, in retry tiers and
among unrouted events, what only mentions the address in a text: others need it, and it is masked when it is handled.
The log of all events cannot forget before its days are over; what is replayed from it is skipped too.
"""

import json
from collections.abc import Callable

from aio_pika.exceptions import ChannelNotFoundEntity
from pydantic import ValidationError

from shared.contracts.base import Envelope
from shared.messaging.deadletters import DeadLetter, DeadLetters
from shared.messaging.publisher import Publisher
from shared.messaging.topology import Topology
from shared.persons.mentions import Literal, tells_of


def mentions(literal: Literal) -> Callable[[DeadLetter], bool]:
    """Whether a dead letter mentions the address, in its message or in what is said of it."""
    return lambda letter: within(literal, letter.body) or literal.within([letter.detail, letter.trace])


def within(literal: Literal, body: bytes) -> bool:
    """Whether a message's bytes mention the address: as JSON, else as text."""
    try:
        return literal.within(json.loads(body))
    except (ValueError, RecursionError):
        return literal.within(body.decode("utf-8", "replace"))


def is_about(literal: Literal, body: bytes) -> bool:
    """Whether a message's bytes are about the person, or nobody can tell. An erasure that waits to be tried again is
    not: it is the one that is still needed.
    """
    try:
        envelope = Envelope.model_validate_json(body)
    except ValidationError:
        return within(literal, body)
    return ".erase-person." not in envelope.type and tells_of(literal, envelope.type, envelope.data)


async def take_out(publisher: Publisher, service: str, literal: Literal, why: str) -> dict[str, int]:
    """Drop dead letters that mention the address, and what else is about the person; queue -> how many messages, where
    there were any. Each dead letter is audited.
    """
    dropped = await DeadLetters(publisher, service).drop(mentions(literal), why)
    found = {f"{service}.dead": len(dropped)}
    for queue in Topology(service).queues():
        if ".retry." in queue.name or queue.name.endswith(".unrouted"):
            found[queue.name] = await _drop(publisher, queue.name, literal)
    return {queue: count for queue, count in found.items() if count}


async def _drop(publisher: Publisher, name: str, literal: Literal) -> int:
    channel = await (await publisher.connection()).channel()
    try:
        queue = await channel.declare_queue(name, passive=True)
    except ChannelNotFoundEntity:
        return 0
    dropped = 0
    try:
        for _ in range(queue.declaration_result.message_count or 0):
            message = await queue.get(fail=False)
            if message is None:
                break
            if is_about(literal, message.body):
                await message.ack()
                dropped += 1
    finally:
        await channel.close()  # all else goes back to its place
    return dropped
