"""A service running in the test's own process, on a real broker and a real store."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from shared.service import Service
from shared.settings import ServiceSettings
from shared.store.repository import Repository

PATIENCE = 20.0


async def until[T](
    look: Callable[[], Awaitable[T]], enough: Callable[[T], bool] = bool, patience: float = PATIENCE
) -> T:
    """Look again and again until it is enough; the test fails with what was seen last when the patience is over."""
    try:
        async with asyncio.timeout(patience):
            while not enough(seen := await look()):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not seen in {patience} s; last: {seen!r}") from None
    return seen


@asynccontextmanager
async def running(
    messages: ModuleType,
    repositories: list[Repository[Any]],
    folder: Path,
    amqp_url: str,
    *,
    name: str = "probe",
    retry_delays: tuple[float, ...] = (0.05, 0.1),
    ready: bool = True,
    prefetch: int = 50,
    store_url: str = "",
) -> AsyncIterator[Service]:
    """Start a service from its tables, wait until it is ready, stop it gracefully at the end.

    Its store is a SQLite file in the folder where nothing else is said.
    """
    settings = ServiceSettings(
        amqp_url=amqp_url,
        store_url=store_url or f"sqlite:///{folder / name}.db",
        retry_delays=retry_delays,
        prefetch=prefetch,
        shutdown_seconds=5,
    )
    service = Service(
        name,
        settings,
        commands=messages.COMMANDS,
        consumes=messages.CONSUMES,
        publishes=messages.PUBLISHES,
        repositories=repositories,
    )
    app = service.asgi()
    async with app.router.lifespan_context(app):

        async def reasons() -> list[str]:
            return service.reasons()

        if ready:
            await until(reasons, lambda found: not found)
        yield service


def subscriber_of(service: Service, queue: str) -> Any:
    """FastStream's one for the queue. By name: it has them in a WeakSet, whose order differs from run to run."""
    assert service.subscription._broker is not None
    return next(s for s in service.subscription._broker.subscribers if s.queue.name == queue)  # type: ignore[attr-defined]
