"""What the journal's process tells once something is committed: a line per state change, counts, spans of the waits."""

from collections import Counter
from collections.abc import Iterable, Sequence

from actors.telemetry.logs import StateChange, log_changes
from pipelines.jobs import ClaimedJob, Job
from pipelines.ports import Ports
from pipelines.steps import EMBED, FINALIZE, INDEX, INFER, RENDER, RERANK, RETRIEVE, UNAWAITED, VALIDATE

WAITS = {
    RETRIEVE: "wait.retrieval",
    RERANK: "wait.reranking",
    RENDER: "wait.prompting",
    INFER: "wait.inference",
    INDEX: "wait.indexing",
    EMBED: "wait.embedding",
    VALIDATE: "wait.batching",
    FINALIZE: "wait.batching",
}


def tell_commit(changes: Sequence[StateChange], ended: Iterable[Job], *, took_s: float, ports: Ports) -> None:
    """One transaction, which took so long, is on disk."""
    ports.metrics.observe("journal_commit_seconds", took_s)
    log_changes(changes)
    for event, number in Counter(change.event for change in changes).items():
        ports.metrics.count("job_events", number, type=event)
    if ports.tracer.enabled:
        now = ports.clock.now()
        for job in ended:
            attributes = {"job": job.id, "status": job.status.value}
            ports.tracer.span("store", job.traceparent, now - took_s, now, attributes)


def tell_claims(claims: Sequence[ClaimedJob], ports: Ports) -> None:
    """These steps, all of one topic, have a worker.

    How long those wait that come by the thousand is not measured: it would hide how long others do.
    """
    for claim in claims:
        if claim.pipeline not in UNAWAITED:
            wait_s = max(0.0, claim.claimed_at - claim.ready_at)
            ports.metrics.observe("step_wait_seconds", wait_s, step=claim.step)
        if ports.tracer.enabled:
            attributes: dict[str, str | int] = {"job": claim.job_id, "attempt": claim.attempt}
            ports.tracer.span(WAITS[claim.step], claim.traceparent, claim.ready_at, claim.claimed_at, attributes)
    if claims:
        ports.metrics.count("attempts", len(claims), step=claims[0].step)


def tell_seals(jobs: Iterable[Job], *, since: float, ports: Ports) -> None:
    """The logs of these jobs were sealed between `since` (Unix seconds) and now."""
    if ports.tracer.enabled:
        now = ports.clock.now()
        for job in jobs:
            ports.tracer.span("seal", job.traceparent, since, now, {"job": job.id})
