"""Suppliers: welcomed by mail, and news for the next newsletter."""

from services.notifications.domain import News, NewsItem, welcome
from services.notifications.handlers.posting import post, version_of
from services.notifications.store import NEWS
from shared.contracts.supplier import SupplierRegistered, SupplierUpdated, SupplierWithdrawn
from shared.store.work import Work


async def welcome_supplier(event: SupplierRegistered, work: Work) -> None:
    """A mail to the supplier, and an item for the next newsletter; neither where it is known to be gone again."""
    item, heard = await _item(event.supplier_id, work), version_of(work)
    if not item.is_gone_since(heard):
        await post(work, welcome(event))
    _keep(item, item.registered(heard, News.of(event), work.message.time), work)


async def refresh_supplier(event: SupplierUpdated, work: Work) -> None:
    """What the next newsletter will say of it is as new as the profile."""
    item = await _item(event.supplier_id, work)
    _keep(item, item.refreshed(version_of(work), News.of(event)), work)


async def drop_supplier(event: SupplierWithdrawn, work: Work) -> None:
    """No newsletter will tell of it."""
    item = await _item(event.supplier_id, work)
    _keep(item, item.withdrawn(version_of(work)), work)


async def _item(supplier_id: str, work: Work) -> NewsItem:
    return await work.get(NEWS, supplier_id) or NewsItem(id=supplier_id, since=work.message.time)


def _keep(before: NewsItem, after: NewsItem, work: Work) -> None:
    if after != before:
        work.save(NEWS, after)
