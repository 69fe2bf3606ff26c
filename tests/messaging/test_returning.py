"""A service that has nothing to publish still comes back by itself after its connection is gone."""

from shared.service import Service
from tests.support.running import until


async def test_an_idle_service_connects_again_for_publishing(service: Service):
    async def reasons() -> list[str]:
        return service.reasons()

    await service.publisher.close()
    assert service.reasons() == ["broker: not connected for publishing"]
    await until(reasons, lambda found: not found)
