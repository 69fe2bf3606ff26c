"""The service without a broker: its handlers over a real store, its pages, and its jobs when a test runs them."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
from pydantic import SecretStr

from services.notifications import messages, pages
from services.notifications.campaigns import Campaigns
from services.notifications.context import Context
from services.notifications.domain import Campaign, Delivery, Subscriber
from services.notifications.links import MailLinks
from services.notifications.sending.dispatcher import Dispatcher
from services.notifications.sending.job import Surroundings, dispatcher
from services.notifications.settings import Settings
from services.notifications.store import CAMPAIGNS, DELIVERIES, REPOSITORIES, SUBSCRIBERS
from shared.contracts.base import Envelope, Reply
from shared.contracts.notifications import SendCampaign, Subscribe
from shared.contracts.types import Language, Topic
from shared.observability.metrics import Metrics
from shared.store.port import Put, Store
from shared.store.work import Pending
from shared.web.application import application
from shared.web.links import Signer
from shared.web.rates import Buckets
from tests.notifications.sink import Received, Sink
from tests.support.harness import Harness, harness
from tests.support.running import until

KEYS = "k1:only-for-tests-0123456789"
SITE = "https://post.example"


def settings(**changes: Any) -> Settings:
    values = {
        "link_keys": SecretStr(KEYS),
        "address_key": SecretStr("only-for-tests"),
        "public_url": SITE,
        "mail_retry_delays": (60, 300, 900, 3600, 14400),
        "mail_lease_seconds": 0.4,
        "smtp_connections": 4,
        "http_burst": 1000,
        "log_format": "console",
    }
    return Settings.model_validate(values | changes)


def context(chosen: Settings) -> Context:
    links = MailLinks(chosen.public_url, Signer(chosen.link_keys.get_secret_value()))
    return Context(links, chosen.sender.domain, chosen.address_key.get_secret_value().encode())


@dataclass
class Rig:
    """Harness, mail server, settings. `ended` counts what the jobs told (kind, outcome); `away`: their last reason."""

    harness: Harness
    sink: Sink
    settings: Settings
    context: Context
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    away: str | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def links(self) -> MailLinks:
        return self.context.links

    @property
    def store(self) -> Store:
        return self.harness.store

    def later(self, **by: float) -> None:
        self.harness.now += timedelta(**by)

    def http(self) -> httpx.AsyncClient:
        """A browser. It keeps cookies, so a test sees whether there are any."""
        asks = Buckets(self.settings.subscribe_rate, self.settings.subscribe_burst)
        routes = pages.routes(self.harness.executor, self.context, self.settings.trusted_proxies, asks=asks)
        app = application(self.settings, Metrics("notifications"), list, routes)
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=SITE)

    def dispatcher(self, **changes: Any) -> Dispatcher:
        url = SecretStr(f"smtp://127.0.0.1:{self.sink.port}")
        chosen = self.settings.model_copy(update={"smtp_url": url} | changes)
        return dispatcher(
            chosen,
            Surroundings(
                self.harness.served, self.context, lambda: self.harness.now, self._offer, self._told, self._away
            ),
        )

    def campaigns(self) -> Campaigns:
        return Campaigns(self.harness.served, self.context, lambda: self.harness.now, self._offer)

    @asynccontextmanager
    async def running(self, **changes: Any) -> AsyncIterator[None]:
        """With the service's jobs in the background."""
        jobs = [asyncio.create_task(job.run()) for job in (self.dispatcher(**changes), self.campaigns())]
        try:
            yield
        finally:
            await stop(*jobs)

    async def settled(self) -> None:
        """Wait until nothing is due any more: what is put off stays put off."""
        async with asyncio.timeout(20):
            while await self._busy():
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await self._news.wait()
        await self.harness.sweep()

    async def cut_off(self) -> str:
        """Wait until the jobs tell that the mail server is away; why."""

        async def reason() -> str | None:
            return self.away

        return str(await until(reason))

    async def finished(self, campaign_id: str, patience: float = 20, **steps: float) -> Campaign:
        """Let time pass by these steps until the campaign is finished."""

        async def looked() -> Campaign:
            self.later(**steps)
            return await self.campaign(campaign_id)

        return await until(looked, lambda campaign: campaign.state == "finished", patience)

    async def sent(self) -> list[Received]:
        """Run the jobs until nothing is due, and see what came."""
        async with self.running():
            await self.settled()
        return self.sink.received

    async def deliveries(self) -> list[Delivery]:
        return [DELIVERIES.to_aggregate(d) async for d in self.store.everything(DELIVERIES.collection)]

    async def delivery(self, kind: str | None = None) -> Delivery:
        (found,) = [d for d in await self.deliveries() if kind in (None, d.kind)]
        return found

    async def campaign(self, id: str) -> Campaign:
        document = await self.store.get(CAMPAIGNS.collection, id)
        assert document is not None
        return CAMPAIGNS.to_aggregate(document)

    async def subscriber(self, email: str) -> Subscriber | None:
        document = await self.store.get(SUBSCRIBERS.collection, self.context.address_id(email))
        return SUBSCRIBERS.to_aggregate(document) if document else None

    async def ask(self, email: str, *topics: Topic, language: Language = "da", id: str | None = None) -> Reply:
        return await self.harness.send(Subscribe(email=email, topics=topics, language=language), id)

    async def subscribed(self, *emails: str, topic: Topic = "newsletter", language: Language = "da") -> None:
        """These confirmed a topic, without mails."""
        people = [
            Subscriber(id=self.context.address_id(email), version=1, email=email, language=language, topics=(topic,))
            for email in emails
        ]
        await self.store.put(SUBSCRIBERS.collection, [Put(p.id, SUBSCRIBERS.to_fields(p, 1)) for p in people])

    async def send_campaign(self, topic: Topic = "newsletter", **changes: Any) -> str:
        command = SendCampaign.model_validate(
            {"topic": topic, "subject": "Nyt fra Rummelig", "body": "# Hej\n\nVi ses."} | changes
        )
        reply = await self.harness.send(command)
        assert reply.ok, reply.problem
        assert reply.result is not None
        return str(reply.result["campaign_id"])

    def _offer(self, pending: Sequence[Pending]) -> None:
        """What a relay would publish at once stays in the documents until a test sweeps."""

    def _told(self, kind: str, outcome: str) -> None:
        self.ended[kind, outcome] += 1
        self._news.set()

    def _away(self, reason: str | None) -> None:
        self.away = reason

    async def _busy(self) -> bool:
        campaigns = [c async for c in self.store.everything(CAMPAIGNS.collection) if c["state"] != "finished"]
        deliveries = await self.deliveries()
        waiting = [
            d for d in deliveries if d.state == "sending" or (d.state == "queued" and d.due_at <= self.harness.now)
        ]
        until = self.harness.now + timedelta(seconds=self.settings.mail_lease_seconds)
        leased = [d for d in deliveries if d.state == "queued" and (d.tries == 0 or d.due_at <= until)]
        put_off = [d for d in deliveries if d.state == "queued" and d.tries > 0 and d.campaign_id]
        return bool(waiting or leased or (campaigns and not put_off))


async def stop(*jobs: asyncio.Task[Any]) -> None:
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    failed = [j for j in jobs if not j.cancelled() and j.exception()]
    assert not failed, failed


@asynccontextmanager
async def rig_with(sink: Sink, **changes: Any) -> AsyncIterator[Rig]:
    chosen = settings(**changes)
    surroundings = context(chosen)
    async with harness(messages, REPOSITORIES, surroundings) as running:
        yield Rig(running, sink, chosen, surroundings)


def told(rig: Rig, name: str) -> list[Envelope]:
    """The events of a name that came out, in order."""
    return [e for e in rig.harness.events if f".{name}." in e.type]
