"""Cases 3 and 4: a process is killed (kill -9) at a chosen place, again and again."""

import uuid
from pathlib import Path

import pytest

from shared.messaging.publisher import Publisher
from tests.faults.nodes import Fate, Place, node
from tests.faults.probing import NOTHING, Account, command, settled
from tests.messaging import probe
from tests.messaging.conftest import REPOSITORIES
from tests.support.persistent import hearing
from tests.support.running import running, until

MANY = [pytest.mark.faults, pytest.mark.timeout(600)]
KILLS = [("sqlite", 10), pytest.param("sqlite", 100, marks=MANY), pytest.param("mongo", 100, marks=MANY)]

pytestmark = [
    pytest.mark.usefixtures("clean"),
    pytest.mark.parametrize(("store_url", "kills"), KILLS, indirect=["store_url"]),
]


@pytest.mark.parametrize("place", ["before the write", "after the write", "after the ack"])
async def test_case_3_consumer_killed(*, broker, tmp_path, operator, told, place, store_url, kills):
    account = await _killed(broker.url("operator"), tmp_path, operator, store_url=store_url, place=place, kills=kills)
    told("3", killed=place, times=kills, **account.as_dict())
    assert account == NOTHING


async def test_case_4_relay_killed_between_publish_and_mark(*, broker, tmp_path, operator, told, store_url, kills):
    async with running(probe, REPOSITORIES, tmp_path, broker.url("operator")):
        pass  # it declared what is listened to
    async with hearing(broker.url("integrator"), "probe") as events:
        account = await _killed(
            broker.url("operator"),
            tmp_path,
            operator,
            store_url=store_url,
            place="between publish and mark",
            kills=kills,
        )

        async def heard() -> int:
            return len(events)

        await until(heard, lambda n: n >= 4 * kills)  # each command tells two events, and each of them came twice
        unique = {event.id for event in events}
    told("4", times=kills, on_the_wire=len(events), events=len(unique), **account.as_dict())
    assert len(unique) == 2 * kills
    assert account == NOTHING


async def _killed(url: str, folder: Path, operator: Publisher, *, store_url: str, place: Place, kills: int) -> Account:
    """One process after another handles what the one before left, and dies handling a new command."""
    run = uuid.uuid4().hex[:8]
    sent = {f"{run}-{n}": f"{run}-c{n % 5}" for n in range(kills)}
    for key, counter in sent.items():
        async with node(url, store_url, Fate(place, key)) as doomed:
            await operator.publish(command(key, counter))
            await doomed.died()
    async with running(probe, REPOSITORIES, folder, url, store_url=store_url) as service:
        return await settled(service, operator, sent)
