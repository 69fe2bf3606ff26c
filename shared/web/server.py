"""Runs a service's ASGI application in this process until it is told to stop."""

import math
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import override

import structlog
import uvicorn
from starlette.applications import Starlette

from shared.collecting import collect_rarely
from shared.settings import ServiceSettings
from shared.web.patience import Patience

log = structlog.get_logger()

MOST_CONNECTIONS = 1000
"""Further ones get 503: better than none being served."""
HTTP_SHARE = 0.25
"""Of the grace at a stop, for requests in hand; the rest is for messages in hand."""
OVERTIME_SECONDS = 3.0
"""Past the grace, after which the process ends whatever still hangs."""


def serve(create: Callable[[], Starlette]) -> None:
    """Serve what `create` makes, on the host and port of its `state.settings`, until SIGTERM or SIGINT.

    The lifespan's shutdown runs, and the process ends with 0. Exit code 2: invalid setting; 3: the start failed.
    """
    app = create()
    server = Server(app, app.state.settings)
    # uvicorn repeats the signal after its shutdown: then, and before it listens, it must not kill the process.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    collect_rarely()
    server.run()
    if not server.started:
        raise SystemExit(0 if server.should_exit else 3)


class Server(uvicorn.Server):
    """uvicorn as we want it: our logs, no access log of its own, no boasting headers, and an end to waiting."""

    def __init__(self, app: Starlette, settings: ServiceSettings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.http_host,
                port=settings.http_port,
                loop="uvloop",
                http=Patience,
                lifespan="on",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # shared.web.rates knows whom to believe
                limit_concurrency=MOST_CONNECTIONS,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=max(1, math.ceil(settings.shutdown_seconds * HTTP_SHARE)),
            )
        )
        self._grace = settings.shutdown_seconds + OVERTIME_SECONDS
        self._stopping = False

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self._stopping:
            self._stopping = True
            timer = threading.Timer(self._grace, _give_up, [self._grace])
            timer.daemon = True
            timer.start()
        super().handle_exit(sig, frame)


def _give_up(grace: float) -> None:
    log.critical("stop_overdue", seconds=grace)
    os._exit(1)
