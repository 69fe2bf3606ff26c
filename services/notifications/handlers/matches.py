"""A supplier fits a public buyer's demand: both are told."""

from services.notifications.domain import match_letters
from services.notifications.handlers.posting import post
from shared.contracts.procurement import SupplierMatched
from shared.store.work import Work


async def tell_match(event: SupplierMatched, work: Work) -> None:
    """A mail to the buyer and one to the supplier; what they answer goes to the other."""
    await post(work, *match_letters(event))
