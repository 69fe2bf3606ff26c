"""The last look before a mail goes: is it still wanted, is it still in time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.notifications.domain import Campaign, Delivery, Subscriber
from services.notifications.store import SUBSCRIBERS, SUPPRESSIONS
from shared.store.port import Store

ASKED_BY_SUBSCRIBERS = frozenset({"confirm-subscription"})


@dataclass(frozen=True)
class Gate:
    """Reads consent and suppression for a batch at once."""

    store: Store
    clock: Callable[[], datetime]

    async def stopped(self, batch: Sequence[Delivery], campaigns: Mapping[str, Campaign]) -> dict[str, str]:
        """Delivery -> why it is not to be sent, for those that are not. `campaigns` by id."""
        if not batch:
            return {}
        ids = list({delivery.address_id for delivery in batch})
        suppressed = await self.store.get_many(SUPPRESSIONS.collection, ids)
        subscribers = await self._subscribers(batch)
        found = {
            delivery.id: self._reason(
                delivery,
                campaigns.get(delivery.campaign_id or ""),
                subscribers.get(delivery.address_id),
                suppressed=delivery.address_id in suppressed,
            )
            for delivery in batch
        }
        return {mail: reason for mail, reason in found.items() if reason}

    async def _subscribers(self, batch: Sequence[Delivery]) -> dict[str, Subscriber]:
        asked = {d.address_id for d in batch if d.lane == "campaign" or d.kind in ASKED_BY_SUBSCRIBERS}
        found = await self.store.get_many(SUBSCRIBERS.collection, list(asked)) if asked else {}
        return {key: SUBSCRIBERS.to_aggregate(document) for key, document in found.items()}

    def _reason(
        self, delivery: Delivery, campaign: Campaign | None, subscriber: Subscriber | None, *, suppressed: bool
    ) -> str:
        now = self.clock()
        if (delivery.expires_at and now >= delivery.expires_at) or (campaign and campaign.expired(now)):
            return "too late"
        if suppressed:
            return "suppressed"
        if delivery.lane == "campaign" and (subscriber is None or delivery.topic not in subscriber.topics):
            return "unsubscribed"
        if delivery.kind in ASKED_BY_SUBSCRIBERS and (subscriber is None or not subscriber.waiting(now)):
            return "no longer asked for"
        return ""
