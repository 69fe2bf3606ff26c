"""When an address that is not dead is given up nevertheless."""

from services.notifications.domain import Delivery
from services.notifications.store import DELIVERIES
from shared.store.port import Store

LAST, MOST = 5, 3
"""So many of the last mails to an address may not come back."""


async def comes_back_too_often(store: Store, delivery: Delivery) -> bool:
    """Whether this delivery, which came back, is one too many among the last to its address."""
    found = await store.find(
        DELIVERIES.collection, {"address_id": delivery.address_id}, order="-created_at", limit=LAST
    )
    others = [d for d in map(DELIVERIES.to_aggregate, found) if d.id != delivery.id]
    return 1 + sum(d.bounce is not None for d in others) >= MOST
