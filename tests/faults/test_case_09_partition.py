"""Case 9: one of three RabbitMQ nodes is cut off from the others, and still talks to its clients."""

import asyncio
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from shared.messaging.publisher import Publisher, Unconfirmed
from tests.faults.cluster import Cluster, cluster
from tests.faults.probing import NOTHING, Load, command, settled
from tests.messaging import probe
from tests.messaging.conftest import REPOSITORIES
from tests.support.running import running, until

pytestmark = [pytest.mark.containers, pytest.mark.faults, pytest.mark.timeout(600)]

MINORITY = 20


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


async def refused(publisher: Publisher, key: str) -> bool:
    """Whether the broker did not confirm it."""
    try:
        await publisher.publish(command(key, "minority"))
    except Unconfirmed:
        return True
    return False


async def test_case_9_a_node_that_is_cut_off_confirms_nothing_and_nothing_is_lost(nodes: Cluster, tmp_path: Path, told):
    await nodes.running("one", "two", "three")
    async with running(probe, REPOSITORIES, tmp_path, nodes.url("three")):
        pass  # so that the queues have their leaders on the node that will be cut off
    operator, cut_off = Publisher(nodes.url("one"), "operator"), Publisher(nodes.url("three"), "cut-off", timeout=5)
    async with running(probe, REPOSITORIES, tmp_path, nodes.url("one")) as service:
        load = Load(nodes.url("two"), 10, 1000, pause=0.5)
        sending = asyncio.create_task(load.send())
        await load.reached(200)
        first = uuid.uuid4().hex
        assert not await refused(cut_off, first)
        await asyncio.to_thread(nodes.cut, "three")
        keys = [uuid.uuid4().hex for _ in range(MINORITY)]
        unconfirmed = await asyncio.gather(*(refused(cut_off, key) for key in keys))
        await nodes.running("one", "two")
        await sending  # the majority goes on
        unconfirmed += await asyncio.gather(*(refused(cut_off, key) for key in keys))
        await asyncio.to_thread(nodes.mend, "three")
        await nodes.running("three", "one", "two")
        sent = load.sent | dict.fromkeys([first, *keys], "minority")
        for key in keys:
            await until(partial(refused, cut_off, key), lambda no: not no, patience=60)
        account = await settled(service, operator, sent)
        await operator.close()
        await cut_off.close()
    told("case 9", messages=len(sent), minority_confirmed=unconfirmed.count(False), **account.as_dict())
    assert all(unconfirmed)
    assert account == NOTHING
