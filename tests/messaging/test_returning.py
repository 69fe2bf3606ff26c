"""A service that has nothing to do comes back by itself when the broker does."""

import asyncio

from shared.service import Service
from tests.support.broker import Broker
from tests.support.running import until


async def test_an_idle_service_is_ready_again_when_the_broker_is_back(broker: Broker, service: Service):
    async def reasons() -> list[str]:
        return service.reasons()

    await asyncio.to_thread(broker.kill)
    assert await until(reasons)
    await asyncio.to_thread(broker.start)
    await until(reasons, lambda found: not found, patience=30)
