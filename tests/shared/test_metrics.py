import subprocess
import sys
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prometheus_client.parser import text_string_to_metric_families

from shared.contracts.supplier import SupplierRegistered
from shared.observability import tracing
from shared.observability.metrics import MOST_VALUES, Metrics

TYPE = SupplierRegistered.type()
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """(name, label values in order of label names…) -> value."""
    text = metrics.render()[0].decode()
    return {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_is_counted_is_rendered():
    metrics = Metrics("events")
    metrics.consumed("events.from.supplier", TYPE, "done")
    metrics.consumed("events.from.supplier", TYPE, "done")
    metrics.retried("events.from.supplier", TYPE)
    metrics.dead_lettered("events.from.supplier", "invalid")
    metrics.duplicate("events.from.supplier")
    metrics.relayed(3)
    metrics.unrouted(TYPE)
    metrics.mail("confirmation", "sent")
    metrics.handled(TYPE, 0.03)
    metrics.relay_lag.set(1.5)
    metrics.store_up.set(1)
    found = samples(metrics)
    assert found["rummelig_consumed_total", "done", "events.from.supplier", TYPE] == 2
    assert found["rummelig_retried_total", "events.from.supplier", TYPE] == 1
    assert found["rummelig_dead_lettered_total", "events.from.supplier", "invalid"] == 1
    assert found["rummelig_duplicates_total", "events.from.supplier"] == 1
    assert found["rummelig_relayed_total",] == 3
    assert found["rummelig_unrouted_total", TYPE] == 1
    assert found["rummelig_mails_total", "confirmation", "sent"] == 1
    assert found["rummelig_handler_seconds_sum", TYPE] == pytest.approx(0.03)
    assert found["rummelig_relay_lag_seconds",] == 1.5
    assert found["rummelig_store_up",] == 1
    assert found["rummelig_broker_up",] == 0
    assert found["rummelig_service_info", "events"] == 1


def test_two_services_in_one_process_do_not_mix():
    one, other = Metrics("one"), Metrics("other")
    one.relayed()
    assert samples(other)["rummelig_relayed_total",] == 0


def test_labels_are_bounded():
    metrics = Metrics("events")
    for number in range(3 * MOST_VALUES):
        metrics.consumed(f"queue-{number}", f"com.attacker.type-{number}", f"outcome-{number}")
        metrics.unrouted(f"com.attacker.type-{number}")
    found = [key for key in samples(metrics) if key[0] == "rummelig_consumed_total"]
    assert len(found) == MOST_VALUES + 1
    assert {key[3] for key in found} == {"unknown"}
    assert samples(metrics)["rummelig_unrouted_total", "unknown"] == 3 * MOST_VALUES


def test_time_is_taken_also_where_handling_fails():
    metrics = Metrics("events")
    with pytest.raises(RuntimeError), metrics.timed(TYPE):
        raise RuntimeError
    assert samples(metrics)["rummelig_handler_seconds_count", TYPE] == 1


class Spans(SpanExporter):
    def __init__(self) -> None:
        self.ended: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.ended += spans
        return SpanExportResult.SUCCESS


def test_without_an_endpoint_a_span_hands_on_what_it_got(monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    tracing.configure("events")
    with tracing.span("handle", PARENT, queue="q") as handed_on:
        assert handed_on == PARENT
    with tracing.span("handle") as handed_on:
        assert handed_on is None


def test_tracing_is_not_imported_before_it_is_wanted():
    program = (
        "import sys, shared.observability.tracing as t; t.configure('x'); assert 'opentelemetry' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={})


def test_spans_follow_the_traceparent():
    spans = Spans()
    tracing.configure("events", spans)
    try:
        with (
            tracing.span("handle", PARENT, kind="consumer", queue="q", missing=None) as first,
            tracing.span("save") as second,
        ):
            pass
        with pytest.raises(KeyError), tracing.span("other", "rubbish"):
            raise KeyError("anna@kunde.example")
    finally:
        tracing.shutdown()
    save, handle, other = spans.ended
    assert first is not None
    assert second is not None
    assert first.split("-")[1] == second.split("-")[1] == PARENT.split("-")[1]
    assert handle.parent is not None
    assert f"{handle.parent.span_id:016x}" == PARENT.split("-")[2]
    assert save.parent is not None
    assert f"{save.parent.span_id:016x}" == first.split("-")[2]
    assert dict(handle.attributes or {}) == {"queue": "q"}
    assert handle.resource.attributes["service.name"] == "events"
    assert other.status.description == "KeyError"
    assert not other.events
