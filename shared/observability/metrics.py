"""What a service counts and measures, for Prometheus. Labels are bounded, whatever the messages hold."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from shared.contracts.base import MESSAGES

UNKNOWN = "unknown"
OTHER = "other"
MOST_VALUES = 100
"""Distinct values that one label may take; further ones count as "other"."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Bounded:
    """Lets the first values of a label through and calls all later ones "other": no input can fill the memory."""

    def __init__(self, most: int = MOST_VALUES) -> None:
        self._most = most
        self._values: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, value: str) -> str:
        with self._lock:
            if value in self._values or len(self._values) < self._most:
                self._values.add(value)
                return value
        return OTHER


class Series:
    """The series of one metric by what their labels are made of; each is looked for once."""

    def __init__(self, metric: Any, *bounds: Callable[[str], str]) -> None:
        self._metric = metric
        self._bounds = bounds
        self._found: dict[tuple[str, ...], Any] = {}

    def __call__(self, *values: str) -> Any:
        """The series; each label is bounded by its own rule."""
        found = self._found.get(values)
        if found is None:
            found = self._metric.labels(*(bound(value) for bound, value in zip(self._bounds, values, strict=True)))
            if len(self._found) < MOST_VALUES:
                self._found[values] = found
        return found


class Metrics:
    """The metrics of one service, in a registry of their own.

    `type` is a CloudEvents type; one that no contract knows counts as "unknown". Gauges are attributes, to be `set`.
    """

    def __init__(self, service: str) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        Info("rummelig_service", "The service", registry=registry).info({"service": service})
        queue, outcome, kind = Bounded(), Bounded(), Bounded()

        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(f"rummelig_{name}", says, labels, registry=registry)

        def gauge(name: str, says: str) -> Gauge:
            return Gauge(f"rummelig_{name}", says, registry=registry)

        consumed = counter("consumed", "Messages handled, by how it ended", "queue", "type", "outcome")
        self._consumed = Series(consumed, queue, known, outcome)
        retried = counter("retried", "Messages put back to be tried again later", "queue", "type")
        self._retried = Series(retried, queue, known)
        self._dead = Series(counter("dead_lettered", "Messages given up, by reason", "queue", "reason"), queue, outcome)
        self._duplicates = Series(counter("duplicates", "Messages that had been handled before", "queue"), queue)
        self._relayed = counter("relayed", "Events that the broker has confirmed")
        self._unrouted = Series(counter("unrouted", "Events that no queue is bound for", "type"), known)
        self._mails = Series(counter("mails", "Mails, by kind and how it ended", "kind", "outcome"), kind, outcome)
        seconds = Histogram(
            "rummelig_handler_seconds", "Time that handling took", ("type",), buckets=SECONDS, registry=registry
        )
        self._seconds = Series(seconds, known)
        self._http = Histogram(
            "rummelig_http_seconds", "Time that requests took", ("status",), buckets=SECONDS, registry=registry
        )
        self.relay_lag = gauge("relay_lag_seconds", "Age of the oldest event that waits to be sent; 0 if none waits")
        self.outbox_waiting = gauge("outbox_waiting", "Documents in memory whose events wait to be sent")
        self.unrouted_waiting = gauge("unrouted_waiting", "Events that wait until a queue is bound for them")
        self.ready = gauge("ready", "1 if the service is ready, as /readyz tells")
        self.log_bound = gauge("log_bound", "1 if the log of all events is bound; a start's events wait until it is")
        self.consumers_missing = gauge("consumers_missing", "Queues that this process should consume from and does not")
        self._dead_waiting = Gauge(
            "rummelig_dead_letters", "Dead letters that wait for an operator", ("service",), registry=registry
        )
        self.mail_waiting = gauge("mail_waiting_seconds", "Since when the oldest transactional mail is due; 0 if none")
        self.mail_server_away = gauge("mail_server_away", "1 if mails wait since the mail server cannot be reached")
        self.store_up = gauge("store_up", "1 if the store answers")
        self.broker_up = gauge("broker_up", "1 if the broker is connected")

    def consumed(self, queue: str, type: str, outcome: str) -> None:
        """One message was handled and settled."""
        self._consumed(queue, type, outcome).inc()

    def retried(self, queue: str, type: str) -> None:
        """One message goes through a retry queue."""
        self._retried(queue, type).inc()

    def dead_lettered(self, queue: str, reason: str) -> None:
        """One message goes to the dead letters; `reason` is a word of a small set, no sentence."""
        self._dead(queue, reason).inc()

    def dead_letters(self, service: str, count: int) -> None:
        """So many dead letters of the service wait for an operator, as the broker counts them."""
        self._dead_waiting.labels(service).set(count)

    def duplicate(self, queue: str) -> None:
        """One message had been handled before."""
        self._duplicates(queue).inc()

    def relayed(self, count: int = 1) -> None:
        """So many events were confirmed by the broker."""
        self._relayed.inc(count)

    def unrouted(self, type: str) -> None:
        """One event reached no queue."""
        self._unrouted(type).inc()

    def mail(self, kind: str, outcome: str) -> None:
        """One mail ended: sent, failed, bounced, uncertain, suppressed, …"""
        self._mails(kind, outcome).inc()

    def handled(self, type: str, seconds: float) -> None:
        """Handling one message of the type took so long."""
        self._seconds(type).observe(seconds)

    def http(self, status: int, seconds: float) -> None:
        """One request was answered with this status."""
        self._http.labels(f"{status // 100}xx").observe(seconds)

    @contextmanager
    def timed(self, type: str) -> Iterator[None]:
        """Measures the block as the handling of one message, also where it raises."""
        start = perf_counter()
        try:
            yield
        finally:
            self.handled(type, perf_counter() - start)

    def render(self) -> tuple[bytes, str]:
        """All metrics in Prometheus' text format, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


def known(type: str) -> str:
    """The type if a contract knows it, else "unknown"."""
    return type if type in MESSAGES else UNKNOWN
