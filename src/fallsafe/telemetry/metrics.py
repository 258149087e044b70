"""Numbers for Prometheus: what the doors did, and how much fallout there is (§21).

A process has one `Metrics` with a registry of its own. Numbers of the database are set when somebody asks for them,
never counted in passing, so that all processes say the same.
"""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The numbers of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "fallsafe_http_requests",
            "Requests that were answered, by method, route and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "fallsafe_http_request_seconds",
            "How long an answer took, by route.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.strangers = Counter(
            "fallsafe_http_without_identity",
            "Requests without a valid identity or signature, by reason; they are counted, not journaled.",
            ("reason",),
            registry=self.registry,
        )
        self.open_cases = Gauge(
            "fallout_open_count",
            "Open cases, by severity and owner group.",
            ("severity", "owner"),
            registry=self.registry,
        )
        self.coverage = Gauge(
            "fallsafe_coverage_percent", "Live things that have a next look, in percent.", registry=self.registry
        )
        self.late = Gauge("fallsafe_looks_late", "Looks that are overdue by more than the lag.", registry=self.registry)
        self.sending = Gauge("fallsafe_sending", "1 while this installation may send, else 0.", registry=self.registry)

    def set_open_cases(self, counts: Mapping[tuple[str, str], int]) -> None:
        """The numbers of open cases by (severity, owner group); what is not named is gone."""
        self.open_cases.clear()
        for (severity, owner), count in counts.items():
            self.open_cases.labels(severity, owner).set(count)

    def text(self) -> tuple[bytes, str]:
        """The exposition and its media type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
