"""Feeds one consumer from the log of all events: brings a new service up to date, fills a lost store again.

What the consumer handled before it drops by its inbox, so a replay changes nothing that is already right.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from fnmatch import fnmatchcase

import structlog
from pydantic import ValidationError

from shared.contracts.base import Envelope
from shared.messaging import failing
from shared.messaging.publisher import Outgoing, Publisher, Unroutable
from shared.messaging.streams import read_stream
from shared.messaging.topology import EVENTS_LOG, replay_exchange
from shared.persons.told import ToldErasures

log = structlog.get_logger()


async def replay(
    publisher: Publisher, consumer: str, *, since: datetime | None = None, types: Sequence[str] = ()
) -> AsyncIterator[Envelope]:
    """Send the log's events to the queues of one consumer; yields each that was sent.

    `since`: none older; `types`: patterns of CloudEvents types, such as `*signup-*`. What the consumer is not bound for
    is left out, and what comes into the log meanwhile. The publisher stays the sender; the broker user must be one that
    the consumer trusts (operator). What is older than the erasure of the person that it tells of is left out too: the
    log is read for erasures first. TimeoutError where the log brings nothing more before its end.
    """
    erasures = await _erasures(publisher, since)
    async for message in read_stream(publisher, EVENTS_LOG, since):
        envelope = _envelope(message.body)
        if envelope is None or not _wanted(envelope, since, types):
            continue
        source = envelope.source.removeprefix("/")
        if message.user_id not in (source, publisher.user):
            log.warning("not_replayed", reason="not from its publisher", user=message.user_id, source=source)
            continue
        if erasures.concern(envelope):
            log.info("not_replayed", reason="the person was erased", message_id=envelope.id)
            continue
        key = f"{source}.{message.routing_key}"
        headers = {failing.SENDER: source}
        try:
            await publisher.publish(
                Outgoing(replay_exchange(consumer), key, message.body, envelope.id, headers=headers)
            )
        except Unroutable:
            continue  # the consumer takes no such event
        yield envelope


async def _erasures(publisher: Publisher, since: datetime | None) -> ToldErasures:
    erasures = ToldErasures()
    async for message in read_stream(publisher, EVENTS_LOG, since):
        envelope = _envelope(message.body)
        if envelope and message.user_id in (envelope.source.removeprefix("/"), publisher.user):
            erasures.hear(envelope)
    return erasures


def _envelope(body: bytes) -> Envelope | None:
    try:
        return Envelope.model_validate_json(body)
    except ValidationError:
        return None


def _wanted(envelope: Envelope, since: datetime | None, types: Sequence[str]) -> bool:
    recent = since is None or envelope.time >= since
    return recent and (not types or any(fnmatchcase(envelope.type, pattern) for pattern in types))
