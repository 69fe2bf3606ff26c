"""Campaigns in the background: freeze the audience, then see when every mail came to its end."""

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from services.notifications.context import Context
from services.notifications.domain import OPEN, Campaign, News
from services.notifications.store import CAMPAIGNS, DELIVERIES, NEWS, SUBSCRIBERS
from shared.contracts.base import Envelope, Event
from shared.service import Service
from shared.store.errors import StoreError
from shared.store.port import Has, In, Store
from shared.store.work import Pending, Work

log = structlog.get_logger()

PAGE = 500
"""Subscribers whose mails are written in one go."""
MOST_NEWS = 50
"""New suppliers in one newsletter; further ones wait for the next."""
LEASE = timedelta(seconds=20)
"""How long a campaign stays with a process that gives no sign of life; every page is one."""
IDLE_SECONDS = 1.0
SHORTEST_PAUSE = 0.05


class Lost(Exception):
    """Somebody else goes on with the campaign."""


@dataclass(frozen=True)
class Campaigns:
    """Takes campaigns one step on. Every step is keyed or conditional: after a crash it is done again, or by others."""

    store: Store
    context: Context
    clock: Callable[[], datetime]
    offer: Callable[[Sequence[Pending]], None]
    worker: str = field(default_factory=lambda: uuid.uuid4().hex)

    async def run(self) -> None:
        """For ever."""
        wake, pause = self.context.bell.listener(), SHORTEST_PAUSE
        while True:
            wake.clear()
            try:
                pause = SHORTEST_PAUSE if await self.step() else min(2 * pause, IDLE_SECONDS)
            except StoreError as error:
                log.warning("store_away", error=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await wake.wait()
                pause = SHORTEST_PAUSE

    async def step(self) -> bool:
        """Prepare one campaign, finish those that are through; whether anything came of it."""
        now = self.clock()
        claimed = await self.store.claim(
            CAMPAIGNS.collection,
            {"state": "preparing"},
            due="due_at",
            now=now,
            until=now + LEASE,
            by=self.worker,
            limit=1,
        )
        for document in claimed:
            with contextlib.suppress(Lost):
                await self._prepare(CAMPAIGNS.to_aggregate(document))
        sending = await self.store.find(CAMPAIGNS.collection, {"state": "sending"}, order="due_at")
        finished = [await self._finish(CAMPAIGNS.to_aggregate(document)) for document in sending]
        return bool(claimed) or any(finished)

    async def _prepare(self, campaign: Campaign) -> None:
        if campaign.expired(self.clock()) and not await self._written(campaign):
            await self._write(*campaign.finished({}, self.clock()))
            return
        if campaign.tells_news and campaign.news is None:
            campaign = await self._write(campaign.with_news(await self._take_news(campaign)))
        # Once it is too late nobody is added; those who were before a crash or a call-off are skipped one by one.
        while not campaign.expired(self.clock()) and (page := await self._audience(campaign)):
            campaign = await self._write(campaign.reached(page, self.clock() + LEASE))
        total = await self._written(campaign)
        await self._write(campaign.frozen(total, self.clock()))
        log.info("campaign_frozen", campaign_id=campaign.id, topic=campaign.topic, total=total)
        self.context.bell.ring()

    async def _written(self, campaign: Campaign) -> int:
        """How many of its mails there are."""
        return await self.store.count(DELIVERIES.collection, {"campaign_id": campaign.id})

    async def _audience(self, campaign: Campaign) -> str | None:
        """Write the mails of the next page of subscribers; the last of them, or None where there are no more."""
        after = {"_id": campaign.cursor} if campaign.cursor else None
        found = await self.store.find(SUBSCRIBERS.collection, {"topics": Has(campaign.topic)}, after=after, limit=PAGE)
        if not found:
            return None
        subscribers = [SUBSCRIBERS.to_aggregate(document) for document in found]
        domain, now = self.context.mail_domain, self.clock()
        await self._work(campaign).put(DELIVERIES, *(campaign.delivery_to(s, domain, now) for s in subscribers))
        return subscribers[-1].id

    async def _take_news(self, campaign: Campaign) -> tuple[News, ...]:
        """Mark what is unused as used by this campaign; what it marked before a crash counts too."""
        unused = await self.store.find(NEWS.collection, {"state": "new"}, order="since", limit=MOST_NEWS)
        await self._work(campaign).put(NEWS, *(NEWS.to_aggregate(item).used(campaign.id) for item in unused))
        taken = await self.store.find(NEWS.collection, {"used_by": campaign.id}, limit=2 * MOST_NEWS)
        items = sorted((NEWS.to_aggregate(item) for item in taken), key=lambda item: (item.since, item.id))
        return tuple(item.news for item in items if item.news)

    async def _finish(self, campaign: Campaign) -> bool:
        where = {"campaign_id": campaign.id}
        if await self.store.find(DELIVERIES.collection, {**where, "state": In(OPEN)}, order="due_at", limit=1):
            return False
        tally = await self.store.tally(DELIVERIES.collection, "state", where)
        with contextlib.suppress(Lost):
            after = await self._write(*campaign.finished(tally, self.clock()))
            log.info("campaign_finished", campaign_id=after.id, topic=after.topic, total=after.total, **after.outcome)
        return True

    async def _write(self, after: Campaign, events: Sequence[Event] = ()) -> Campaign:
        work = self._work(after)
        (done,) = await work.put(CAMPAIGNS, (after, events))
        self.offer(work.pending)
        if not done:
            raise Lost(after.id)
        return after

    def _work(self, campaign: Campaign) -> Work:
        message = Envelope(
            id=f"campaign:{campaign.id}:{campaign.version}",
            source="/notifications/jobs",
            type="job",
            data={},
            correlationid=campaign.correlation or campaign.id,
        )
        return Work(self.store, "notifications", message, self.clock())


async def run_campaigns(service: Service) -> None:
    """The background job of a service."""
    context = service.executor.context
    assert isinstance(context, Context)  # noqa: S101 - app.py gave it
    await Campaigns(service.store, context, service.executor.clock, service.relay.offer).run()
