"""The HTTP side of a service, put together."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from shared.observability.metrics import Metrics
from shared.settings import ServiceSettings
from shared.web.errors import handlers
from shared.web.health import health_routes
from shared.web.middleware import Access, BodyLimit, RateLimit, SecurityHeaders
from shared.web.rates import Buckets, Clients


def application(
    settings: ServiceSettings,
    metrics: Metrics,
    reasons: Callable[[], Sequence[str]],
    routes: Sequence[BaseRoute],
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None,
) -> Starlette:
    """Pages, health and metrics behind the limits. The settings stand in `app.state.settings`, for the server."""
    app = Starlette(
        routes=[*health_routes(reasons, metrics), *routes],
        middleware=around(settings, metrics),
        exception_handlers=handlers(),
        lifespan=lifespan,
    )
    app.state.settings = settings
    return app


def around(settings: ServiceSettings, metrics: Metrics) -> list[Middleware]:
    """The middlewares, outermost first."""
    return [
        Middleware(SecurityHeaders, https=settings.public_url.startswith("https:")),
        Middleware(Access, metrics=metrics),
        Middleware(
            RateLimit,
            buckets=Buckets(settings.http_rate, settings.http_burst),
            clients=Clients(settings.trusted_proxies),
        ),
        Middleware(BodyLimit, most=settings.http_body_bytes),
    ]
