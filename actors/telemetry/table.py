"""The one table of our metrics. A name that is not here cannot be recorded; a test compares it with the code.

In Prometheus a name appears as `heliograph_NAME`, counters end in `_total`; Ray's exporter puts `ray_` before it.
Labels have few values: never an id, never a tenant.
"""

from enum import StrEnum
from typing import NamedTuple

PREFIX = "heliograph_"


class Kind(StrEnum):
    """What is done with a value."""

    COUNTER = "counter"  # added up
    HISTOGRAM = "histogram"  # counted in buckets
    GAUGE = "gauge"  # replaces the last one


class Metric(NamedTuple):
    """One row. `buckets` are upper bounds in the metric's unit, for histograms only."""

    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
QUICK = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5)
SLOW = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600)

TABLE: dict[str, Metric] = {
    # the journal and its dispatcher
    "job_events": Metric(Kind.COUNTER, "events", "Events of jobs: JobSubmitted, JobRetried and so on.", ("type",)),
    "attempts": Metric(Kind.COUNTER, "attempts", "Claims of a step; a retry is another one.", ("step",)),
    "lease_expiries": Metric(Kind.COUNTER, "workers", "Workers whose lease ran out."),
    "jobs_pruned": Metric(Kind.COUNTER, "jobs", "Finished jobs that were removed for their age or size."),
    "queue_depth": Metric(Kind.GAUGE, "steps", "Steps of a topic that are ready to be claimed.", ("topic",)),
    "queue_age_seconds": Metric(Kind.GAUGE, "seconds", "Age of the ready step that is next on a topic.", ("topic",)),
    "step_wait_seconds": Metric(Kind.HISTOGRAM, "seconds", "From ready to claimed.", ("step",), SLOW),
    "journal_commit_seconds": Metric(Kind.HISTOGRAM, "seconds", "One transaction, fsync included.", (), QUICK),
    # the token log
    "token_log_commit_seconds": Metric(Kind.HISTOGRAM, "seconds", "One transaction, fsync included.", (), QUICK),
    "appends_refused": Metric(Kind.COUNTER, "appends", "Appends refused: stale, sealed, gap, error.", ("verdict",)),
    # workers
    "claim_size": Metric(Kind.HISTOGRAM, "steps", "Steps given by one claim.", ("topic",), COUNTS),
    "first_token_seconds": Metric(Kind.HISTOGRAM, "seconds", "From claim to first token.", ("model",), SLOW),
    "token_seconds": Metric(Kind.HISTOGRAM, "seconds", "Mean time per token after the first.", ("model",), QUICK),
    "output_tokens": Metric(Kind.COUNTER, "tokens", "Tokens generated.", ("model",)),
    "generations_running": Metric(Kind.GAUGE, "generations", "Jobs and direct requests that hold a slot.", ("model",)),
    # readers
    "stream_chunks": Metric(
        Kind.COUNTER, "chunks", "Chunks read for readers: by the feed they share, in pages by one alone.", ("source",)
    ),
    "stream_waiting_bytes": Metric(Kind.GAUGE, "bytes", "The most that has waited for one reader so far."),
    # everywhere
    "batch_size": Metric(Kind.HISTOGRAM, "items", "Items handled by one call or commit.", ("batch",), COUNTS),
    "loop_failures": Metric(Kind.COUNTER, "failures", "Exceptions that a background loop survived.", ("loop",)),
}
