"""Case 23: SIGTERM under load, one process after another, while the others go on."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack

import pytest

from tests.faults.nodes import Node, server
from tests.faults.probing import NOTHING, Load, settled
from tests.messaging import probe
from tests.messaging.conftest import REPOSITORIES
from tests.support.running import running

GRACE_SECONDS = 5.0
OVERTIME_SECONDS = 5.0


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("restarts", [3, pytest.param(20, marks=[pytest.mark.faults, pytest.mark.timeout(600)])])
async def test_case_23_rolling_restarts_under_load(*, broker, tmp_path, operator, told, restarts):
    url, store_url = broker.url("operator"), f"sqlite:///{tmp_path / 'probe'}.db"
    sent: dict[str, str] = {}
    over = False

    async def load() -> None:
        while not over:
            some = Load(url, 5, 50, pause=0.1)
            await some.send()
            sent.update(some.sent)

    async def started(stack: AsyncExitStack) -> Node:
        return await stack.enter_async_context(server(url, store_url, shutdown_seconds=GRACE_SECONDS))

    slowest = 0.0
    async with AsyncExitStack() as stack:
        nodes = [await started(stack), await started(stack)]
        loading = asyncio.create_task(load())
        for _ in range(restarts):
            old, began = nodes.pop(0), time.monotonic()
            old.tell(signal.SIGTERM)
            assert await old.ended() == 0
            slowest = max(slowest, time.monotonic() - began)
            nodes.append(await started(stack))
        over = True
        await loading
    async with running(probe, REPOSITORIES, tmp_path, url, store_url=store_url) as service:
        account = await settled(service, operator, sent)
    told("23", restarts=restarts, commands=len(sent), slowest_exit=f"{slowest:.1f} s", **account.as_dict())
    assert slowest <= GRACE_SECONDS + OVERTIME_SECONDS
    assert account == NOTHING
