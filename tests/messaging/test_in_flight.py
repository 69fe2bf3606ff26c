"""Events in flight when a backup was made: sent again after the restore with the same ids, each has one effect."""

import io
from pathlib import Path

from services.procurement import messages as procurement
from services.procurement.store import REPOSITORIES as PROCUREMENT
from services.procurement.store import SUPPLIERS as COPIES
from services.supplier import messages as supplier
from services.supplier.store import REPOSITORIES as SUPPLIER
from shared.contracts.base import Envelope
from shared.contracts.examples import example
from shared.contracts.supplier import RegisterSupplier, UpdateSupplier
from shared.store.ahead import Forward
from shared.store.backup import Kept, finish, restore, save
from shared.store.work import OWN_COLLECTIONS
from tests.support.harness import Harness, harness
from tests.support.stores import fresh_store

KEPT = [*map(Kept, OWN_COLLECTIONS), *(Kept(r.collection) for r in SUPPLIER)]
COMMAND = example(RegisterSupplier)


class Crashed(Exception):
    """Before anything was relayed."""


async def told_and_not_relayed(running: Harness) -> None:
    relayed = running.relayed

    async def crash() -> None:
        raise Crashed

    running.relayed = crash  # type: ignore[method-assign]
    try:
        await running.send(COMMAND, id="m1")
    except Crashed:
        running.relayed = relayed  # type: ignore[method-assign]


async def test_they_are_sent_again_with_the_same_ids(tmp_path: Path):
    file = io.BytesIO()
    async with harness(supplier, SUPPLIER) as before, harness(procurement, PROCUREMENT) as consumer:
        await told_and_not_relayed(before)
        assert before.events == []
        await save(before.store, "supplier", KEPT, file)
        await before.sweep()
        (first,) = before.events
        assert (await consumer.take(first)).ok
        after_first = await consumer.dump(COPIES)
        async with fresh_store(f"sqlite:///{tmp_path}/again.db", [each.collection for each in KEPT]) as store:
            await restore(store, "supplier", KEPT, file, Forward(frozenset()))
            await finish(store)
            again = Harness(supplier, SUPPLIER, store, None)
            await again.sweep()
            (second,) = again.events
            assert second == first
            assert (await consumer.take(second)).ok
            assert await consumer.dump(COPIES) == after_first, "once in effect"
            assert (await again.send(COMMAND, id="m1")).ok, "what was handled is known as handled"
            assert again.events == [second]
            await newer_than_all_before(again, consumer, first)


async def newer_than_all_before(again: Harness, consumer: Harness, first: Envelope) -> None:
    """Others heard of changes after the backup that the restored service does not know."""
    supplier_id = first.data["supplier_id"]
    future = first.model_copy(
        update={"id": "lost", "aggregateversion": 5, "data": {**first.data, "name": "Fra den tabte tid ApS"}}
    )
    assert (await consumer.take(future)).ok
    assert (await again.send(UpdateSupplier(supplier_id=supplier_id, name="Efter ApS"))).ok
    assert (await consumer.take(again.events[-1])).ok
    (copy,) = (await consumer.dump(COPIES))["suppliers"]
    assert copy["name"] == "Efter ApS"
