"""One process of a service that consumes; the bench starts several on one store.

    python -m tests.bench.scaled_consumer <amqp url> <store url>

Says `ready`, begins at the first line on stdin, and at the second tells which versions it handled, in order, as JSON.
"""

import asyncio
import json
import sys

import uvloop

from shared.service import Service
from shared.settings import ServiceSettings
from shared.store.work import Work
from tests.bench.consume import PREFETCH
from tests.messaging.probe import SEEN, Added, see


async def main() -> None:
    """See above."""
    handled: list[tuple[str, int]] = []

    async def noted(event: Added, work: Work) -> None:
        await see(event, work)
        handled.append((event.counter, event.total))

    settings = ServiceSettings.model_validate(
        {
            "amqp_url": sys.argv[1],
            "store_url": sys.argv[2],
            "prefetch": PREFETCH,
            "retry_delays": (1.0,),
            "log_level": "warning",
        }
    )
    service = Service("probe", settings, commands={}, consumes={Added: noted}, publishes=(), repositories=[SEEN])
    await service.open_store()
    service._store_reason = None
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    consuming = asyncio.create_task(service.subscription.run())
    await asyncio.to_thread(sys.stdin.readline)
    print(json.dumps(handled), flush=True)
    consuming.cancel()
    await asyncio.gather(consuming, return_exceptions=True)
    await service.publisher.close()
    await service.store.close()


if __name__ == "__main__":
    uvloop.run(main())
