"""Lets go of personal data whose purpose is over: requests that nobody confirmed, the content of mails long sent."""

import asyncio
from datetime import datetime, timedelta

import structlog

from services.notifications.domain import Subscriber
from services.notifications.store import CONSENTS, DELIVERIES, SUBSCRIBERS
from shared.service import Service
from shared.store.port import Between, Put, Store

log = structlog.get_logger()

UNCONFIRMED_KEPT = timedelta(days=30)
EVERY_SECONDS = 3600.0
PAGE = 200


async def forget_unconfirmed(store: Store, now: datetime) -> int:
    """Who was asked for and never confirmed: the request goes, and all of the person where there is nothing else."""
    forgotten = 0
    where = {"ask.asked_at": Between(below=now - UNCONFIRMED_KEPT)}
    while page := await store.find(SUBSCRIBERS.collection, where, order="ask.asked_at", limit=PAGE):
        for subscriber in map(SUBSCRIBERS.to_aggregate, page):
            await _forget(store, subscriber)
        forgotten += len(page)
    return forgotten


async def forget_mails(store: Store, now: datetime) -> int:
    """Mails that ended long ago keep what is needed to prove that they went, not to whom by address or what about."""
    forgotten = 0
    while page := await store.find(
        DELIVERIES.collection, {"erase_at": Between(at_most=now)}, order="erase_at", limit=PAGE
    ):
        gone = [DELIVERIES.to_aggregate(document).forgotten() for document in page]
        await store.put(DELIVERIES.collection, [Put(d.id, DELIVERIES.to_fields(d, d.version)) for d in gone])
        forgotten += len(page)
    return forgotten


async def _forget(store: Store, subscriber: Subscriber) -> None:
    if subscriber.topics or await _agreed_once(store, subscriber.id):
        # What was agreed to must stay provable; only the request goes.
        rest = subscriber.model_copy(update={"ask": None, "version": subscriber.version + 1})
        await store.put(SUBSCRIBERS.collection, [Put(rest.id, SUBSCRIBERS.to_fields(rest, rest.version))])
    else:
        await store.delete(CONSENTS.collection, {"subscriber_id": subscriber.id})
        await store.delete(SUBSCRIBERS.collection, {"_id": subscriber.id, "version": subscriber.version})


async def _agreed_once(store: Store, subscriber_id: str) -> bool:
    entries = await store.find(CONSENTS.collection, {"subscriber_id": subscriber_id}, order="at", limit=1000)
    return any(entry["action"] == "confirmed" for entry in entries)


async def forget_personal_data(service: Service) -> None:
    """The background job: once an hour."""
    while True:
        now = service.executor.clock()
        people, mails = await forget_unconfirmed(service.store, now), await forget_mails(service.store, now)
        if people or mails:
            log.info("forgotten", unconfirmed=people, mails=mails)
        await asyncio.sleep(EVERY_SECONDS)
