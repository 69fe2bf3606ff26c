"""Finds the counterparts of a demand or a supplier through the indexes, and writes their matches.

Both sides are written before the other side is searched. So of a demand and a supplier that come at the same moment
at least one finds the other; where both do, the match's id makes the second write change nothing.
"""

from collections.abc import AsyncIterator, Sequence

from services.procurement.domain import Demand, Pairing, Reach, Supplier, match
from services.procurement.store import DEMANDS, MATCHES, SUPPLIERS
from shared.contracts.aggregate import Aggregate
from shared.store.port import Has, Where
from shared.store.repository import Repository
from shared.store.work import Work

PAGE = 500
"""Candidates that are held in memory at once."""


async def match_demand(demand: Demand, work: Work) -> None:
    """Match a demand that is written with all suppliers that fit it."""
    if demand.takes_matches(work.now):
        async for page in _fitting(SUPPLIERS, Reach(demand.codes), work):
            await _keep([match(demand, supplier, work.now) for supplier in page], work)


async def match_supplier(supplier: Supplier, work: Work) -> None:
    """Match a supplier that is written with all demands that it fits; those past their deadline leave the search."""
    async for page in _fitting(DEMANDS, Reach(supplier.codes), work):
        await _keep([match(demand, supplier, work.now) for demand in page], work)
        # A version higher than the one read: whoever closes the demand meanwhile wins, and this write has no effect.
        over = [d.run_out().model_copy(update={"version": d.version + 1}) for d in page if work.now >= d.deadline]
        await work.put(DEMANDS, *over)


async def _fitting[A: Aggregate](repository: Repository[A], reach: Reach, work: Work) -> AsyncIterator[list[A]]:
    """All that have a code in line with one of these, in pages."""
    for code in reach.tops:
        async for page in _pages(repository, {"line": Has(code)}, work):
            yield page
    for code in reach.above:
        async for page in _pages(repository, {"codes": Has(code)}, work):
            yield page


async def _pages[A: Aggregate](repository: Repository[A], where: Where, work: Work) -> AsyncIterator[list[A]]:
    last: A | None = None
    while page := await work.find(repository, where, after=last, limit=PAGE):
        yield page
        if len(page) < PAGE:
            return
        last = page[-1]


async def _keep(found: Sequence[Pairing | None], work: Work) -> None:
    await work.put(MATCHES, *(pairing for pairing in found if pairing))
