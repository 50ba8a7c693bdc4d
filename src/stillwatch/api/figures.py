"""The server's own figures, for Prometheus. Labels are closed sets: no account, path or key name ever is one."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

DECISION_SECONDS: Final = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Bounds around the target of 2 ms at the median and 10 ms at the 99th percentile."""


class Figures:
    """Counters of one application, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.calls = self._counter("stillwatch_http_requests", "Calls by route and status.", "route", "status")
        self.denied = self._counter("stillwatch_http_denied", "Calls that were refused at the door.", "reason")
        self.records = self._counter("stillwatch_otlp_records", "Records by outcome.", "signal", "outcome")
        self.turned_away = self._counter("stillwatch_otlp_turned_away", "Requests told to come again.", "signal")
        self.decisions = self._counter("stillwatch_decisions", "Decisions by action and gateway.", "action", "gateway")
        self.first_requests = self._counter("stillwatch_first_requests", "New accounts recognised by their tokens.")
        self.canaries = self._counter(
            "stillwatch_canaries", "Requests by sealed plan and whether they carry.", "plan", "arm"
        )
        self.bypasses = self._counter(
            "stillwatch_decision_bypasses", "Requests that no decision was made for.", "reason"
        )
        self.reloads = self._counter("stillwatch_snapshot_reloads", "Loads of the decision snapshot.", "outcome")
        self.drained = self._counter("stillwatch_drained_records", "Spooled records by outcome of ingest.", "outcome")
        self.drain_faults = self._counter("stillwatch_drain_faults", "Spool files that could not be ingested yet.")
        self.spool_bytes = Gauge(
            "stillwatch_spool_bytes", "Acknowledged bytes that wait for ingest.", registry=self._registry
        )
        self.snapshot_at = Gauge(
            "stillwatch_snapshot_loaded_timestamp_seconds", "When the snapshot in use was loaded.",
            registry=self._registry,
        )  # fmt: skip
        self.decision_seconds = Histogram(
            "stillwatch_decision_seconds", "Time inside of one decision.", buckets=DECISION_SECONDS,
            registry=self._registry,
        )  # fmt: skip

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(name, words, labels, registry=self._registry)
