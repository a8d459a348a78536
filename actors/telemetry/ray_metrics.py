"""The `Metrics` port in a Ray process: Ray's agent on the node exports what is recorded here.

Histograms are added up in this process, and handed to Ray as levels every few seconds. From Ray's own the agent
makes each sample once more, in Python, at the middle of its bucket: work for every job, and sums that are guesses.
"""

import logging
import threading
from typing import Any

from ray.util import metrics as ray_metrics

from actors.telemetry.metrics import PrometheusMetrics
from actors.telemetry.table import PREFIX, TABLE, Kind

HAND_OVER_S = 5.0  # Ray exports every ten seconds
log = logging.getLogger("heliograph")


class RayMetrics:
    """Makes a metric of Ray's at its first use, so that a process exports only what it records."""

    def __init__(self) -> None:
        self._metrics: dict[str, Any] = {}
        self._histograms = PrometheusMetrics()
        self._levels: dict[str, Any] = {}  # of the histograms, by the names of their samples
        self._thread: threading.Thread | None = None  # there is one from the first sample on

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        """Add to a counter; Ray refuses to add nothing."""
        if value > 0:
            self._metric(name).inc(value, labels)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add a sample to a histogram."""
        self._histograms.observe(name, value, **labels)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="histograms", daemon=True)
            self._thread.start()

    def level(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        self._metric(name).set(value, labels)

    def hand_over(self) -> None:
        """Tell Ray what the histograms are now: buckets, sums and counts, by the names that Prometheus has for them."""
        for sample in self._histograms.samples():
            if sample.name not in self._levels:
                self._levels[sample.name] = ray_metrics.Gauge(sample.name, "", tuple(sample.labels))
            self._levels[sample.name].set(sample.value, sample.labels)

    def _run(self) -> None:
        pause = threading.Event()
        while not pause.wait(HAND_OVER_S):
            try:
                self.hand_over()
            except Exception:
                log.exception("histograms were not handed over")
                self.count("loop_failures", loop="histograms")

    def _metric(self, name: str) -> Any:
        if name not in self._metrics:
            self._metrics[name] = _make(name)
        return self._metrics[name]


def _make(name: str) -> Any:
    metric = TABLE[name]
    kind = ray_metrics.Counter if metric.kind is Kind.COUNTER else ray_metrics.Gauge
    return kind(PREFIX + name, metric.help, metric.labels)
