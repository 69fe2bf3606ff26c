"""A mail to all who confirmed a topic: first the audience is frozen, then each of them gets it once.

preparing ──► sending ──► finished
    └── expired ──────────────┘
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from services.notifications.domain.delivery import Delivery
from services.notifications.domain.letter import begins
from services.notifications.domain.news import News
from services.notifications.domain.subscriber import Subscriber
from shared.contracts.aggregate import Aggregate
from shared.contracts.base import Event, derived_id
from shared.contracts.events import EventAnnounced, EventCancelled
from shared.contracts.notifications import CampaignFinished, SendCampaign
from shared.contracts.types import Topic


class Campaign(Aggregate):
    """What goes out to whom, and how far that is. While it is claimed, `due_at` is the end of the lease.

    `kind` names the template, `data` is what it says; `news` is what a newsletter tells of suppliers (None: not taken
    yet). `cursor` is the last subscriber of the audience so far.
    """

    kind: Literal["campaign", "event-announced"]
    topic: Topic
    data: dict[str, Any]
    state: Literal["preparing", "sending", "finished"] = "preparing"
    correlation: str | None = None
    created_at: datetime
    due_at: datetime
    expires_at: datetime | None = None
    news: tuple[News, ...] | None = None
    cursor: str | None = None
    total: int | None = None
    outcome: dict[str, int] = Field(default_factory=dict)
    finished_at: datetime | None = None

    @property
    def tells_news(self) -> bool:
        """Whether new suppliers are told of in it."""
        return self.topic == "newsletter" and self.kind == "campaign"

    def expired(self, now: datetime) -> bool:
        """Whether it is too late for it."""
        return self.expires_at is not None and now >= self.expires_at

    def with_news(self, news: tuple[News, ...]) -> "Campaign":
        """What it tells of suppliers is settled."""
        return self._next(news=news)

    def reached(self, cursor: str, until: datetime) -> "Campaign":
        """The audience is frozen up to this subscriber; the lease goes on."""
        return self._next(cursor=cursor, due_at=until)

    def frozen(self, total: int, now: datetime) -> "Campaign":
        """The audience is complete: the first mail may go."""
        return self._next(state="sending", total=total, due_at=now)

    def finished(self, tally: Mapping[str, int], now: datetime) -> "tuple[Campaign, tuple[Event, ...]]":
        """Every delivery came to its end."""
        outcome = {state: tally.get(state, 0) for state in ("sent", "failed", "skipped", "uncertain")}
        total = sum(outcome.values())
        told = CampaignFinished(campaign_id=self.id, topic=self.topic, total=total, **outcome)
        return self._next(state="finished", total=total, outcome=outcome, finished_at=now, due_at=now), (told,)

    def called_off(self, now: datetime) -> "Campaign":
        """Nobody gets it from now on."""
        return self.model_copy(update={"expires_at": now})

    def delivery_to(self, subscriber: Subscriber, domain: str, now: datetime) -> Delivery:
        """The one mail of this campaign to a subscriber."""
        mail_id = derived_id("delivery", "campaign", self.id, subscriber.id)
        return Delivery(
            id=mail_id,
            version=1,
            cause=self.id,
            correlation=self.correlation,
            kind=self.kind,
            lane="campaign",
            recipient=subscriber.email,
            address_id=subscriber.id,
            language=subscriber.language,
            data={},
            message_id=f"<{mail_id}@{domain}>",
            campaign_id=self.id,
            topic=self.topic,
            created_at=now,
            due_at=now,
        )

    def _next(self, **changes: Any) -> "Campaign":
        return self.model_copy(update={"version": self.version + 1, **changes})


def ordered_campaign(id: str, command: SendCampaign, now: datetime, correlation: str) -> Campaign:
    """The campaign that a command asks for."""
    return Campaign(
        id=id,
        version=1,
        kind="campaign",
        topic=command.topic,
        data={"subject": command.subject, "body": command.body},
        correlation=correlation,
        created_at=now,
        due_at=now,
        expires_at=command.expires_at,
    )


def announcement_id(event_id: str) -> str:
    """The id of the one campaign that announces a network event."""
    return derived_id("campaign", "event-announced", event_id)


def announcement(event: EventAnnounced, now: datetime, correlation: str) -> Campaign:
    """The campaign that tells the subscribers of a network event; not once it has begun."""
    return Campaign(
        id=announcement_id(event.event_id),
        version=1,
        kind="event-announced",
        topic="network-events",
        data=event.model_dump(mode="json"),
        correlation=correlation,
        created_at=now,
        due_at=now,
        expires_at=begins(event.details),
    )


def unannounced(event: EventCancelled, now: datetime) -> Campaign:
    """Stands where the announcement of a network event would, which was called off before it was heard of."""
    return Campaign(
        id=announcement_id(event.event_id),
        kind="event-announced",
        topic="network-events",
        data={},
        state="finished",
        created_at=now,
        due_at=now,
        expires_at=now,
        total=0,
        finished_at=now,
    )
