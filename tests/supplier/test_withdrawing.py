import asyncio

from shared.contracts.supplier import SupplierWithdrawn, WithdrawSupplier
from tests.supplier.builders import ID, beside, kept, names, registered, registration, update, withdraw


async def test_it_is_told_and_the_data_stay(rig):
    await registered(rig)

    assert (await withdraw(rig)).result == {"supplier_id": ID}

    [told] = rig.told(SupplierWithdrawn)
    assert told.model_dump() == {"supplier_id": ID, "cvr": "13585628", "name": "Genbrugsværkstedet ApS"}
    assert names(rig)[-1] == ("supplier-withdrawn", 2)
    assert (await kept(rig))["state"] == "withdrawn"


async def test_withdrawing_again_changes_nothing(rig):
    await registered(rig)
    first = await withdraw(rig)
    before = await rig.dump()

    assert await withdraw(rig) == first
    assert await rig.dump() == before
    assert len(rig.told(SupplierWithdrawn)) == 1


async def test_an_unknown_id_is_not_found(rig):
    reply = await withdraw(rig, "nobody")

    assert reply.problem is not None
    assert reply.problem.status == 404
    assert "nobody" in reply.problem.detail


async def test_an_id_left_out_is_named(rig):
    reply = await rig.send_data(WithdrawSupplier, {})

    assert reply.problem is not None
    assert [e.field for e in reply.problem.errors] == ["supplier_id"]


async def test_a_late_repeat_of_the_command_does_not_withdraw_who_came_back(rig):
    await registered(rig)
    await withdraw(rig, id="withdraw-1")
    await registered(rig)

    assert (await withdraw(rig, id="withdraw-1")).ok
    assert (await kept(rig))["state"] == "active"


async def test_withdrawing_and_changing_at_once_end_in_one_of_the_two_orders(rig):
    await registered(rig)
    other = beside(rig)

    changed, gone = await asyncio.gather(update(other, name="Ny ApS"), withdraw(rig))

    assert gone.ok
    assert (await kept(rig))["state"] == "withdrawn"
    told = [name for name, _ in sorted(names(rig), key=lambda n: n[1] or 0)]
    if changed.ok:
        assert told == ["supplier-registered", "supplier-updated", "supplier-withdrawn"]
    else:
        assert changed.problem is not None
        assert changed.problem.status == 409
        assert told == ["supplier-registered", "supplier-withdrawn"]


async def test_what_a_crash_left_unsaid_is_told_by_the_sweep(rig):
    # As a process that dies between the write and the relay: nobody takes what is owed.
    rig.executor._relay = lambda _: None
    await rig.send(registration())
    assert rig.events == []

    rig.executor._relay = rig._owed.extend
    await rig.sweep()

    assert names(rig) == [("supplier-registered", 1)]
