"""The native views: a job, an event, a list. Plain dicts, ready for JSON."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from events.v1.events_pb2 import Envelope
from pipelines.jobs import Job
from pipelines.steps import GENERATE, RESPONDING


def links(job_id: str, pipeline: str = GENERATE) -> dict[str, str]:
    """Where a job's views are."""
    views = {"self": f"/jobs/{job_id}", "events": f"/jobs/{job_id}/events", "stream": f"/jobs/{job_id}/stream"}
    return views | {"response": f"/v1/responses/{job_id}"} if pipeline in RESPONDING else views


def job_view(job: Job) -> dict[str, Any]:
    """A job as `GET /jobs/{id}` shows it. Times are Unix seconds; `id` serves as the list's cursor."""
    return {
        "id": job.id,
        "object": "job",
        "job_id": job.id,
        "status": job.status.value,
        "model": job.model,
        "step": job.step,
        "attempts": job.attempt,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "error": {"code": job.fault.code, "message": job.fault.message} if job.fault else None,
        "links": links(job.id, job.pipeline),
    }


def event_view(data: bytes) -> dict[str, Any]:
    """A serialised `Envelope` as `GET /jobs/{id}/events` shows it."""
    envelope = Envelope.FromString(data)
    kind = envelope.WhichOneof("data")
    return {
        "id": envelope.id,
        "type": envelope.type,
        "job_id": envelope.job_id,
        "step": envelope.step,
        "attempt": envelope.attempt,
        "created_at": envelope.time_us / 1e6,
        "data": _fields(getattr(envelope, kind)) if kind else {},
    }


def page(items: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
    """The list envelope of at most `limit` items; one more item than that says that there is more."""
    shown = list(items[:limit])
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(items) > limit,
    }


def _fields(message: Message) -> dict[str, Any]:
    """Every figure, zeros too; of the parts only those that are there."""
    view: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            view[field.name] = getattr(message, field.name)
        elif field.is_repeated:
            view[field.name] = [_fields(part) for part in getattr(message, field.name)]
        elif message.HasField(field.name):
            view[field.name] = _fields(getattr(message, field.name))
    return view
