"""Case 7: a write reaches the store and is applied, but its reply is lost on the way back."""

import itertools
import uuid

import pytest

from tests.faults.probing import NOTHING, command, settled
from tests.messaging import probe
from tests.messaging.conftest import REPOSITORIES
from tests.support.running import running, until
from tests.support.stores import MongoServer
from tests.support.wire import Wire, dropping_replies

WRITES = {
    "a new aggregate": b"insert\0\x09\0\0\0counters\0",
    "an aggregate again": b"$push",
    "the inbox": b"insert\0\x06\0\0\0inbox\0",
    "the mark of what was relayed": b"$pull",
}
"""What MongoDB's wire carries for each of them."""

TIMES = [12, pytest.param(100, marks=[pytest.mark.faults, pytest.mark.timeout(600)])]


@pytest.mark.usefixtures("clean", "quick_looks")
@pytest.mark.parametrize("times", TIMES)
async def test_case_7_reply_to_a_write_lost(*, broker, tmp_path, operator, told, mongo_server: MongoServer, times):
    run, wire, sent = uuid.uuid4().hex[:8], Wire(), dict[str, str]()
    address, _, database = mongo_server.database_url().partition("?")[0].removeprefix("mongodb://").rpartition("/")
    host = address.rpartition("@")[2]
    async with dropping_replies(host, wire) as port:
        store_url = f"mongodb://{address.replace(host, f'127.0.0.1:{port}')}/{database}?directConnection=true"
        async with running(probe, REPOSITORIES, tmp_path, broker.url("operator"), store_url=store_url) as service:

            async def lost() -> int:
                return wire.lost

            sent[f"{run}-first"] = f"{run}-hot"
            await operator.publish(command(f"{run}-first", f"{run}-hot"))
            await until(lambda: service.store.get(probe.SEEN.collection, f"{run}-hot"))
            for number, write in zip(range(times), itertools.cycle(WRITES)):
                new = write == "a new aggregate"
                counter = f"{run}-c{number}" if new else f"{run}-hot"
                wire.lose_reply_to(WRITES[write])
                sent[f"{run}-{number}"] = counter
                await operator.publish(command(f"{run}-{number}", counter))
                await until(lost, (number + 1).__eq__)
            account = await settled(service, operator, sent)
    told("7", replies_lost=wire.lost, **account.as_dict())
    assert account == NOTHING
