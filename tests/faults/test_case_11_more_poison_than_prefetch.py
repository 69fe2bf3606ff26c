"""Case 11: more poison at once than the consumer takes in hand; also such as kills the whole process."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from shared.contracts.base import Envelope
from shared.messaging.publisher import Outgoing
from shared.store.connect import connect
from shared.store.work import INBOX
from tests.faults.probing import command
from tests.messaging.conftest import REPOSITORIES
from tests.messaging.probe import COUNTERS, Add, Fail
from tests.support.poison import KINDS, poison
from tests.support.running import until

ROOT = Path(__file__).parents[2]
PREFETCH = 5
POISON = 40 * KINDS
KILLERS, HEALTHY = 8, 20


async def test_case_11_the_consumer_drains_a_queue_full_of_poison(start, operator, dead, client, told):
    names = [f"p{n}" for n in range(POISON)]
    async with start():
        pass  # declares
    for n, name in enumerate(names):
        body, _ = list(poison("probe", name).values())[n % KINDS]
        await operator.publish(Outgoing("", "probe.commands", body, name))
    async with start(prefetch=PREFETCH):
        assert (await client.send(Add(counter="behind"))).ok
        found = await until(dead.all, lambda letters: len(letters) >= POISON)
    told("case 11", poison=POISON, prefetch=PREFETCH, dead=len(found))
    assert sorted(letter.id for letter in found) == sorted(names)


@pytest.mark.faults
@pytest.mark.timeout(300)
async def test_case_11_messages_that_kill_the_process_end_at_the_delivery_limit(
    start, broker, operator, dead, tmp_path
):
    async with start():
        pass  # declares
    killers = [f"killer-{n}" for n in range(KILLERS)]
    healthy = {f"healthy-{n}": f"c{n}" for n in range(HEALTHY)}
    for name in killers:
        await operator.publish(Outgoing("", "probe.commands", deadly(name), name))
    for name, counter in healthy.items():
        await operator.publish(command(name, counter))
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "tests.faults.killer", broker.url("operator"), str(tmp_path), str(PREFETCH)],
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    store = connect(f"sqlite:///{tmp_path / 'probe'}.db")
    await store.open([INBOX, *(r.collection for r in REPOSITORIES)])
    try:

        async def over() -> set[str]:
            return {x.id for x in await dead.all()} | {d["_id"] async for d in store.everything(COUNTERS.collection)}

        await until(over, lambda found: found >= set(killers) and len(found) >= KILLERS + HEALTHY, patience=200)
        innocent = await dead.all()
        assert {x.reason for x in innocent} == {"delivery_limit"}
        await dead.replay(lambda x: x.id in healthy)  # those that were in hand each time that a killer struck

        async def totals() -> dict[str, int]:
            return {d["_id"]: d["total"] async for d in store.everything(COUNTERS.collection)}

        await until(totals, lambda found: found == dict.fromkeys(healthy.values(), 1))
        assert sorted(x.id for x in await dead.all()) == sorted(killers)
    finally:
        process.send_signal(signal.SIGTERM)
        out, _ = await process.communicate()
        await store.close()
    deaths, hit = out.count(b"died"), sum(x.id in healthy for x in innocent)
    print(f"case 11: {KILLERS} killers, {deaths} deaths, {hit} innocent dead letters, replayed")
    assert deaths >= 20
    assert hit <= 1, "the others gave way, as chance would have it"


def deadly(name: str) -> bytes:
    return Envelope(id=name, source="/test", type=Fail.type(), data={"label": name}).to_json()
