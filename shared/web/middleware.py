"""What surrounds every page, as plain ASGI: headers, correlation and access log, limits."""

import uuid
from time import perf_counter

import structlog
from h11 import LocalProtocolError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.observability import tracing
from shared.observability.metrics import Metrics
from shared.web.errors import error_page
from shared.web.pages import STYLE_HASH
from shared.web.rates import Buckets, Clients

log = structlog.get_logger()

UNCOUNTED = frozenset({"/livez", "/readyz", "/metrics"})
"""Asked for by machines again and again: neither limited nor logged."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
CLIENT_GONE = 499
"""In the log alone, as other servers write it: who asked closed the connection before the request was whole."""

CSP = (
    f"default-src 'none'; style-src '{STYLE_HASH}'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "Referrer-Policy": "no-referrer",  # addresses of pages hold tokens
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cache-Control": "no-store",
}
HSTS = "max-age=31536000"


class SecurityHeaders:
    """Adds headers that keep browsers strict, where the page has not set its own (ASVS 5.0, V3.4)."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        """`https`: people reach the service over HTTPS only."""
        self._app = app
        self._headers = HEADERS | ({"Strict-Transport-Security": HSTS} if https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sending if scope["type"] == "http" else send)


class Access:
    """Gives every request a correlation id, logs how it ended, and turns what no page caught into the page for 500."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in UNCOUNTED:
            await self._app(scope, receive, send)
            return
        # What a browser says of a trace is not believed: each click begins one.
        with (
            structlog.contextvars.bound_contextvars(correlation=str(uuid.uuid4())),
            tracing.span("HTTP", kind="server", **{"http.request.method": _method(scope)}),
        ):
            await self._request(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, status = perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        about = {"method": scope["method"], "path": scope["path"]}
        try:
            await self._app(scope, receive, sending)
        except (ClientDisconnect, LocalProtocolError):
            status = CLIENT_GONE  # the latter: uvicorn has answered a body that is no HTTP itself, with 400
        except Exception:
            log.exception("page_failed", **about)
            if status:
                raise  # half of a page is sent: only closing the connection tells that the rest is missing
            await error_page(scope, 500)(scope, receive, sending)
        finally:
            seconds = perf_counter() - start
            self._metrics.http(status, seconds)
            _tell_trace(scope, status)
            log.info("page", **about, status=status, seconds=round(seconds, 4))


def _method(scope: Scope) -> str:
    """As OpenTelemetry names it: anybody may write anything there."""
    return scope["method"] if scope["method"] in METHODS else "_OTHER"


def _tell_trace(scope: Scope, status: int) -> None:
    """By the route's pattern: the path itself may hold a token."""
    route = getattr(scope.get("route"), "path", "")
    name = f"{_method(scope)} {route}" if route else "HTTP"
    tracing.note(name, **{"http.route": route, "http.response.status_code": status})


class RateLimit:
    """Refuses a client that asks faster than the buckets allow: 429 with Retry-After."""

    def __init__(self, app: ASGIApp, *, buckets: Buckets, clients: Clients) -> None:
        self._app = app
        self._buckets = buckets
        self._clients = clients

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in UNCOUNTED:
            wait = self._buckets.take(self._clients.of(scope))
            if wait:
                await error_page(scope, 429, {"Retry-After": str(wait)})(scope, receive, send)
                return
        await self._app(scope, receive, send)


class BodyLimit:
    """Refuses a request whose body is larger than so many bytes, whether it says its length or not: 413."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared[:20]) > self._most:
            await error_page(scope, 413, {"Connection": "close"})(scope, receive, send)
            return
        seen = 0

        async def receiving() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._most:
                raise HTTPException(413, headers={"Connection": "close"})
            return message

        await self._app(scope, receiving, send)
