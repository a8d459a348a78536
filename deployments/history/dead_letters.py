"""The views of dead letters. Plain dicts, ready for JSON."""

from typing import Any

from deployments.history.views import job_view
from events.v1.events_pb2 import Envelope, JobDeadLettered, JobRetried
from pipelines.jobs import DeadLetter, Job


def dead_letter_view(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter in a list. Times are Unix seconds; `id` serves as the list's cursor."""
    return {
        "id": letter.job_id,
        "object": "dead_letter",
        "job_id": letter.job_id,
        "model": letter.model,
        "error": {"code": letter.code, "kind": letter.kind},
        "created_at": letter.created_at,
        "redriven_as": letter.redriven_as or None,
    }


def attempt_view(envelope: Envelope, fact: JobRetried | JobDeadLettered, traceback: str | None) -> dict[str, Any]:
    """One attempt that failed."""
    return {
        "step": envelope.step,
        "attempt": envelope.attempt,
        "worker": fact.worker,
        "at": envelope.time_us / 1e6,
        "error": {"code": fact.error.code, "message": fact.error.message, "kind": fact.error.kind},
        "traceback": traceback,
    }


def inspection(job: Job, attempts: list[dict[str, Any]]) -> dict[str, Any]:
    """A dead letter with the references of its payloads and all its attempts."""
    references = {"request": str(job.request), "rendered": str(job.rendered) if job.rendered else None}
    return {**job_view(job), "object": "dead_letter", "references": references, "attempts": attempts}
