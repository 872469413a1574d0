"""Counts what operators watch, in the text format of Prometheus.

The registry is open: other parts of the runtime may register their own metrics with it.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The metrics of one runtime."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        build = Gauge("runtime_build_info", "Version", ["version"], registry=self.registry)
        build.labels(version).set(1)
        self._calls_live = Gauge(
            "runtime_calls_active", "Calls that have not ended", registry=self.registry
        )
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

    def watch_live_calls(self, count: Callable[[], int]) -> None:
        """Ask `count` for the number of live calls whenever the metrics are read."""
        self._calls_live.set_function(count)

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
