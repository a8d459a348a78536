"""What the rows of the tables are: a job's columns in every SQL store, and the small rows beside it.

Columns are read and written by name: a later migration only adds columns, with defaults, so that a process of this
version goes on working on a store that a newer one has migrated.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from pipelines.jobs import Fault, Job, Reference, Status, StepState, Usage, parse_reference


class EventRow(NamedTuple):
    """One event, as a serialised `Envelope`."""

    job_id: str
    tenant: str
    data: bytes


class KeyRow(NamedTuple):
    """An idempotency key in use. `name` is made of tenant, route and the client's word."""

    name: str
    tenant: str
    fingerprint: str
    job_id: str
    created_at: float


class Budget(NamedTuple):
    """What a tenant's open jobs have reserved, and what those that ended have spent, in output tokens."""

    tenant: str
    reserved: int = 0
    spent: int = 0

    @property
    def taken(self) -> int:
        """What is not left for others."""
        return self.reserved + self.spent


COLUMNS = (
    "id", "tenant", "pipeline", "model", "status", "step", "step_state", "topic", "priority",
    "ready_at", "deadline_at", "attempt", "releases", "fence", "settled", "worker", "claim_id",
    "created_at", "started_at", "finished_at", "fault", "request", "rendered",
    "result", "usage", "log_end", "reason", "traceparent",
    "failures", "crashes", "lone_crashes", "suspects", "redrive_of", "reserved", "step_deadline_at",
    "attached_to", "conversation", "stored", "deleted", "context", "part_of", "step_ends_at",
    "promotion", "input_tokens", "max_output_tokens",
)  # fmt: skip
CHANGING = (  # what never changes after the insert is left out, so the index on tenants is not touched
    "status", "step", "step_state", "topic", "ready_at", "attempt", "releases", "fence",
    "settled", "worker", "claim_id", "started_at", "finished_at", "fault", "rendered",
    "result", "usage", "log_end", "reason",
    "failures", "crashes", "lone_crashes", "suspects", "step_deadline_at", "attached_to", "stored", "deleted",
    "context", "step_ends_at", "priority", "promotion", "input_tokens",
)  # fmt: skip
_FIELDS = tuple("end" if name == "log_end" else name for name in COLUMNS)  # of a `Job`
_REFERENCES = ("rendered", "result", "context")  # those that may be missing
_STATUS = {status.value: status for status in Status}
_STEP_STATE = {state.value: state for state in StepState}
_COUNTS = "in_progress, completed, failed, cancelled"
FRAGMENTS = {  # what the braces in the queries stand for
    "job": ", ".join(COLUMNS),
    "job_of_j": ", ".join(f"j.{name}" for name in COLUMNS),
    "job_values": ", ".join("?" for _ in COLUMNS),
    "job_changes": ", ".join(f"{name} = ?" for name in CHANGING),
    "vector_store": "id, tenant, name, description, metadata, expires_after_days, created_at, last_active_at, deleted, "
    f"ends_at, version, shrunk, usage_bytes, {_COUNTS}",
    "attachment": "id, store, file, tenant, filename, attributes, chunk_tokens, overlap_tokens, status, created_at, "
    "job, file_batch, usage_bytes, error_code, error_message, version",
    "file_batch": f"id, tenant, store, created_at, is_cancelled, {_COUNTS}",
}


def to_row(job: Job) -> tuple[Any, ...]:
    """The values of COLUMNS."""
    return (
        job.id, job.tenant, job.pipeline, job.model, job.status, job.step, job.step_state, job.topic, job.priority,
        job.ready_at, job.deadline_at, job.attempt, job.releases, job.fence, job.settled, job.worker, job.claim_id,
        job.created_at, job.started_at, job.finished_at, _json(job.fault), str(job.request), _text(job.rendered),
        _text(job.result), _json(job.usage), job.end, job.reason, job.traceparent, job.failures, job.crashes,
        job.lone_crashes, job.suspects, job.redrive_of, job.reserved, job.step_deadline_at,
        job.attached_to, job.conversation, int(job.stored), int(job.deleted), _text(job.context), job.part_of,
        job.step_ends_at, job.promotion, job.input_tokens, job.max_output_tokens,
    )  # fmt: skip


def to_changes(job: Job) -> tuple[Any, ...]:
    """The values of CHANGING, then the id."""
    return (
        job.status, job.step, job.step_state, job.topic, job.ready_at, job.attempt, job.releases, job.fence,
        job.settled, job.worker, job.claim_id, job.started_at, job.finished_at, _json(job.fault), _text(job.rendered),
        _text(job.result), _json(job.usage), job.end, job.reason, job.failures, job.crashes, job.lone_crashes,
        job.suspects, job.step_deadline_at, job.attached_to, int(job.stored), int(job.deleted), _text(job.context),
        job.step_ends_at, job.priority, job.promotion, job.input_tokens, job.id,
    )  # fmt: skip


def from_row(row: Sequence[Any]) -> Job:
    """The job of the values of COLUMNS."""
    values = dict(zip(_FIELDS, row, strict=True))
    values["status"], values["step_state"] = _STATUS[values["status"]], _STEP_STATE[values["step_state"]]
    values["request"] = parse_reference(values["request"])
    for name in _REFERENCES:
        if values[name] is not None:
            values[name] = parse_reference(values[name])
    if values["fault"]:
        values["fault"] = Fault(*json.loads(values["fault"]))
    if values["usage"]:
        values["usage"] = Usage(*json.loads(values["usage"]))
    values["stored"], values["deleted"] = bool(values["stored"]), bool(values["deleted"])
    job = object.__new__(Job)  # a claim reads many, and the constructor takes longer than all of this
    job.__dict__.update(values)
    return job


def _text(reference: Reference | None) -> str | None:
    return None if reference is None else str(reference)


def _json(value: tuple[Any, ...] | None) -> str | None:
    return None if value is None else json.dumps(value)
