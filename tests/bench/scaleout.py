"""`scaleout`: one, two and four processes of one service empty its queue into one store.

Each aggregate's events stand in the queue in order. Afterwards every one of them was handled once, by one of the
processes, and each aggregate stands at its last version. How far it scales is the machine's matter: broker, bench and
consumers share its cores, and a SQLite file has one writer at a time.
"""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from dataclasses import replace
from functools import partial

import aio_pika

from deploy.local.home import ROOT
from shared.contracts.base import Envelope
from shared.messaging.declaring import declare
from shared.service import topology
from shared.store.connect import connect
from shared.store.port import Store
from shared.store.work import INBOX, OWN_COLLECTIONS
from tests.bench.bench import Bench
from tests.bench.consume import QUEUE
from tests.bench.measuring import Cost, Figure, compared, cpu_of, in_turn
from tests.messaging.probe import SEEN, Added, see

EVENTS, AGGREGATES, ROUNDS = 4_000, 50, 2
PROCESSES = (1, 2, 4)
PATIENCE = 60.0


async def filled(url: str, count: int) -> None:
    """So many events of a few aggregates in the queue: first all at version 1, then at 2, and so on."""
    async with await aio_pika.connect(url) as connection:
        await declare(connection, topology("probe", {Added: see}, (), (1.0,)))
        channel = await connection.channel()
        for start in range(0, count, 500):
            messages = [_message(number) for number in range(start, min(count, start + 500))]
            await asyncio.gather(*(channel.default_exchange.publish(m, QUEUE) for m in messages))


def _message(number: int) -> aio_pika.Message:
    version = number // AGGREGATES + 1
    event = Added(counter=f"{number % AGGREGATES}", total=version)
    envelope = Envelope(
        id=f"scaled-{number}",
        source="/probe",
        type=event.type(),
        subject=event.subject,
        data=event.model_dump(mode="json"),
        aggregateversion=version,
    )
    return aio_pika.Message(envelope.to_json(), message_id=envelope.id, user_id="operator", delivery_mode=2)


async def emptied(bench: Bench, processes: int) -> Cost:
    """Fill the queue, have it emptied, look at what came of it."""
    url, store_url, count = bench.broker.url("operator"), bench.new_store(), bench.count(EVENTS)
    store = connect(store_url)
    await store.open([*OWN_COLLECTIONS, SEEN.collection])
    await filled(url, count)
    consumers = [await _started(url, store_url) for _ in range(processes)]
    try:
        before, began = cpu_of(c.pid for c in consumers), time.perf_counter()
        for consumer in consumers:
            _go_on(consumer)
        async with asyncio.timeout(PATIENCE):
            while await store.count(INBOX, {}) < count:
                await asyncio.sleep(0.02)
        cost = Cost(count, cpu_of(c.pid for c in consumers) - before, time.perf_counter() - began)
        await _check(consumers, store, count, bench)
    finally:
        for consumer in consumers:
            consumer.kill()
            await consumer.wait()
        await store.close()
    return cost


async def _started(url: str, store_url: str) -> Process:
    command = (sys.executable, "-m", "tests.bench.scaled_consumer", url, store_url)
    consumer = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=PIPE, stdout=PIPE, limit=1 << 24)
    assert consumer.stdout is not None
    assert await consumer.stdout.readline() == b"ready\n"
    return consumer


def _go_on(consumer: Process) -> None:
    assert consumer.stdin is not None
    consumer.stdin.write(b"\n")


async def _check(consumers: list[Process], store: Store, count: int, bench: Bench) -> None:
    """Raises where an event was handled twice or not at all, or an aggregate does not stand at its last version."""
    told = []
    for consumer in consumers:
        _go_on(consumer)
        assert consumer.stdout is not None
        told.append([tuple(each) for each in json.loads(await consumer.stdout.readline())])
    handled = Counter(each for some in told for each in some)
    twice = {each: times for each, times in handled.items() if times > 1}
    assert not twice, f"handled more than once: {twice}"
    assert len(handled) == count, f"{len(handled)} of {count} were handled"
    last = {f"{n % AGGREGATES}": n // AGGREGATES + 1 for n in range(count)}
    kept = {d["_id"]: d["version"] async for d in store.everything(SEEN.collection)}
    assert kept == last, "an aggregate does not stand at its last version"
    bench.progress(f"{' + '.join(str(len(some)) for some in told)} events; each once, all at their last version")


async def measure(bench: Bench) -> list[Figure]:
    """Two and four processes against one. Three queues' worth each, at most."""
    fewer = replace(bench, rounds=min(ROUNDS, bench.rounds))
    costs = await in_turn({f"{n} processes": partial(emptied, bench, n) for n in PROCESSES}, fewer)
    one = costs["1 processes"]
    return [
        compared(f"consume, {n} processes : 1{kind}", costs[f"{n} processes"], one, wall=wall)
        for n in PROCESSES[1:]
        for wall, kind in ((False, ""), (True, ", wall"))
    ]
