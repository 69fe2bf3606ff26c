"""Traces over OpenTelemetry, when OTEL_EXPORTER_OTLP_ENDPOINT is set; otherwise next to nothing, and nothing imported.

The context travels as the W3C `traceparent` (https://www.w3.org/TR/trace-context/) in messages and outbox entries.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

type Attribute = str | int | float | bool
type Kind = Literal["internal", "server", "client", "producer", "consumer"]

_provider: "TracerProvider | None" = None


def configure(service: str, exporter: "SpanExporter | None" = None) -> None:
    """Start exporting spans as this service, if the environment names where to (or an exporter is given)."""
    global _provider  # noqa: PLW0603 - one process is one service; the spans of all its parts go one way
    wanted = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if exporter is None and not wanted:
        return
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - half a second of imports, only when wanted
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    if exporter is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        exporter = OTLPSpanExporter()
    _provider = TracerProvider(
        resource=Resource.create({"service.name": service, "service.namespace": "rummelig"}), shutdown_on_exit=False
    )
    _provider.add_span_processor(BatchSpanProcessor(exporter))


def shutdown() -> None:
    """Send what is left and stop. Blocks for up to some seconds: call it from a thread where that matters."""
    global _provider
    provider, _provider = _provider, None
    if provider is not None:
        provider.shutdown()


def is_on() -> bool:
    """Whether spans are made."""
    return _provider is not None


def span(
    name: str, traceparent: str | None = None, *, kind: Kind = "internal", **attributes: Attribute | None
) -> AbstractContextManager[str | None]:
    """A span around the block, child of `traceparent` (or of the span around it); yields the traceparent to hand on.

    Attributes must not be personal data. An exception marks the span as failed by its type; what it says stays out.
    """
    if _provider is None:
        return nullcontext(traceparent)
    return _span(_provider, name, traceparent, kind, attributes)


def current() -> str | None:
    """The traceparent of the span around, to be kept with what goes on later; None where there is none."""
    if _provider is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


def note(name: str | None = None, **attributes: Attribute) -> None:
    """What became known of the span around: a better name, further attributes (as for `span`)."""
    if _provider is None:
        return
    from opentelemetry.trace import get_current_span  # noqa: PLC0415

    around = get_current_span()
    around.set_attributes(attributes)
    if name:
        around.update_name(name)


@contextmanager
def _span(
    provider: "TracerProvider",
    name: str,
    traceparent: str | None,
    kind: Kind,
    attributes: dict[str, Attribute | None],
) -> Iterator[str | None]:
    from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    propagator = TraceContextTextMapPropagator()
    parent = propagator.extract({"traceparent": traceparent}) if traceparent else None
    with provider.get_tracer("rummelig").start_as_current_span(
        name,
        context=parent,
        kind=SpanKind[kind.upper()],
        attributes={key: value for key, value in attributes.items() if value is not None},
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        carrier: dict[str, str] = {}
        propagator.inject(carrier)
        try:
            yield carrier.get("traceparent", traceparent)
        except BaseException as error:
            current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
