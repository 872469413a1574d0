"""Counts what operators watch, in the text format of Prometheus.

The registry is open: other parts of the runtime may register their own metrics with it.
"""

from collections.abc import Callable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The metrics of one runtime."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # memory, file descriptors, CPU time
        build = Gauge("runtime_build_info", "Version", ["version"], registry=self.registry)
        build.labels(version).set(1)
        self._calls = Counter(
            "runtime_calls_total", "Ended calls by endedReason", ["reason"], registry=self.registry
        )
        self._requests = Counter(
            "runtime_http_requests_total",
            "HTTP requests by route, method and status",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self._durations = Histogram(
            "runtime_http_request_duration_seconds",
            "Time until the answer was sent, by route",
            ["route"],
            registry=self.registry,
        )

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Ask `value` whenever the metrics are read: what is there now, such as live calls."""
        Gauge(name, meaning, registry=self.registry).set_function(value)

    def watch_each(
        self, name: str, meaning: str, label: str, values: Mapping[str, Callable[[], float]]
    ) -> None:
        """The same for several alike; the label says which of them it is."""
        gauge = Gauge(name, meaning, [label], registry=self.registry)
        for which, value in values.items():
            gauge.labels(which).set_function(value)

    def call_ended(self, reason: str) -> None:
        """Count a call that ended with this endedReason."""
        self._calls.labels(reason).inc()

    def request_answered(self, route: str, method: str, status: int, duration_s: float) -> None:
        """Count a request. `route` is the pattern, not the path: paths are without number."""
        known = method if method in _METHODS else "other"
        self._requests.labels(route, known, str(status)).inc()
        self._durations.labels(route).observe(duration_s)

    def text(self) -> bytes:
        """All metrics in the text format."""
        return generate_latest(self.registry)
