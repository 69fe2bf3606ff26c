"""After a backup came back: no mail goes out twice, and nobody who left since gets one.

What was queued in the backup may have gone out since. The log of all events tells which mails did, where it reaches
back to the backup: those are known as ended again, and the rest goes out as if nothing had been. Without the log nobody
can tell: what was queued ends as `uncertain`, campaigns in the making are called off.
"""

from contextlib import aclosing
from datetime import datetime
from typing import Literal

from aio_pika.exceptions import AMQPError
from pydantic import ValidationError

from services.notifications.domain import OPEN, ended_unseen
from services.notifications.store import CAMPAIGNS, DELIVERIES, SUBSCRIBERS
from shared.contracts.base import Envelope, Event
from shared.contracts.notifications import MailFailed, MailSent, SubscriberUnsubscribed
from shared.messaging.publisher import Publisher, Unconfirmed
from shared.messaging.streams import read_stream
from shared.messaging.topology import EVENTS_LOG
from shared.service import Service
from shared.store.backup import BackupError
from shared.store.port import In, Store
from shared.store.work import Work

type Ending = Literal["sent", "failed", "uncertain"]

PAGE = 200
SENT_VERSION = 3
"""Of a delivery that was queued (1), begun (2) and ended at its first try."""


async def settle_mails(service: Service, since: datetime, log_url: str | None) -> str:
    """What happens to mails after a restore; see above. Again changes nothing."""
    told = await _recall_all(service.store, log_url, since) if log_url else None
    if told is None:
        return await hold(service.store, service.executor.clock())
    return f"the log of events told of {told} mails and unsubscriptions since the backup"


async def hold(store: Store, now: datetime) -> str:
    """Without the log: nothing that was open goes out. Each mail is told as uncertain, by an event from the outbox."""
    held = sum([await _end_all(store, now, state) for state in OPEN])
    stopped = await _call_off(store, now)
    return f"the log of events does not reach back: {held} mails are uncertain, {stopped} campaigns called off"


async def recall(store: Store, envelope: Envelope) -> None:
    """With the log: what one of its events tells of the time since the backup is so again."""
    event = _RECALLED[envelope.type].model_validate(envelope.data)
    match event:
        case MailSent():
            await _ended(store, event, "sent", envelope)
        case MailFailed():
            await _ended(store, event, event.outcome, envelope)
        case SubscriberUnsubscribed():
            await _left(store, event, envelope.time)


async def _recall_all(store: Store, log_url: str, since: datetime) -> int | None:
    """One after the other: there may be millions. How many; None, and nothing done, where the log begins later."""
    publisher = Publisher(log_url, "notifications-restored")
    told, reaches_back = 0, False
    try:
        async with aclosing(read_stream(publisher, EVENTS_LOG)) as log:
            async for message in log:
                envelope = _envelope(message.body)
                if envelope is None or message.user_id not in (envelope.source.removeprefix("/"), publisher.user):
                    continue
                if not reaches_back and envelope.time > since:
                    return None
                reaches_back = True
                if envelope.time >= since and envelope.type in _RECALLED:
                    await recall(store, envelope)
                    told += 1
    except (AMQPError, OSError, Unconfirmed) as error:
        raise BackupError(f"the log of all events cannot be read: {error}") from error
    finally:
        await publisher.close()
    return told if reaches_back else None


async def _ended(store: Store, event: MailSent | MailFailed, state: Ending, envelope: Envelope) -> None:
    document = await store.get(DELIVERIES.collection, event.mail_id)
    delivery = (
        DELIVERIES.to_aggregate(document)
        if document
        else ended_unseen(event.mail_id, event.kind, event.cause, envelope.time).model_copy(
            update={"version": (envelope.aggregateversion or SENT_VERSION) - 1}
        )
    )
    if delivery.state in OPEN:
        await _work(store, envelope.time).put(DELIVERIES, delivery.heard(state, envelope.time))


async def _left(store: Store, event: SubscriberUnsubscribed, at: datetime) -> None:
    document = await store.get(SUBSCRIBERS.collection, event.subscriber_id)
    if document is None:
        return
    before = SUBSCRIBERS.to_aggregate(document)
    after, given_up, _ = before.give_up(event.topics)
    if given_up:
        raised = after.model_copy(update={"version": before.version + 1})
        await _work(store, at).put(SUBSCRIBERS, raised)


async def _end_all(store: Store, now: datetime, state: str) -> int:
    ended = 0
    where = {"lane": In(("transactional", "campaign")), "state": state}
    while page := await store.find(DELIVERIES.collection, where, order="due_at", limit=PAGE):
        await _work(store, now).put(DELIVERIES, *(DELIVERIES.to_aggregate(d).restored(now) for d in page))
        ended += len(page)
    return ended


async def _call_off(store: Store, now: datetime) -> int:
    """Whose audience is not complete: who is missing may have got it since."""
    found = await store.find(CAMPAIGNS.collection, {"state": "preparing"}, order="due_at", limit=1000)
    campaigns = [CAMPAIGNS.to_aggregate(document).called_off(now) for document in found]
    await _work(store, now).put(CAMPAIGNS, *(c.model_copy(update={"version": c.version + 1}) for c in campaigns))
    return len(campaigns)


def _work(store: Store, now: datetime) -> Work:
    # Names the events of these writes: the same however often the restore is settled.
    message = Envelope(id="restored", source="/notifications/jobs", type="job", data={})
    return Work(store, "notifications", message, now)


def _envelope(body: bytes) -> Envelope | None:
    try:
        return Envelope.model_validate_json(body)
    except ValidationError:
        return None


_RECALLED: dict[str, type[Event]] = {e.type(): e for e in (MailSent, MailFailed, SubscriberUnsubscribed)}
