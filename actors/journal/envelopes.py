"""Events on the wire: a fact of `events.v1` inside its envelope, and back."""

from collections.abc import Sequence
from typing import Any

from events.v1 import events_pb2 as pb
from pipelines.jobs import Job, Reference

SCHEMA_VERSION = 1
_FIELDS = {
    field.message_type.name: field.name
    for field in pb.Envelope.DESCRIPTOR.oneofs_by_name["data"].fields
    if field.message_type is not None
}


def seal_envelope(job: Job, fact: Any, *, step: str, attempt: int, event_id: str, now: float) -> bytes:
    """The event that says `fact` of this job, serialised. Step and attempt are those in which it happened."""
    name = fact.DESCRIPTOR.name
    envelope = pb.Envelope(
        id=event_id,
        type=name,
        job_id=job.id,
        step=step,
        attempt=attempt,
        tenant=job.tenant,
        time_us=int(now * 1e6),
        traceparent=job.traceparent,
        schema_version=SCHEMA_VERSION,
    )
    getattr(envelope, _FIELDS[name]).CopyFrom(fact)
    return envelope.SerializeToString()


def open_envelope(data: bytes) -> tuple[pb.Envelope, Any]:
    """The envelope and the fact in it."""
    envelope = pb.Envelope.FromString(data)
    name = envelope.WhichOneof("data")
    return envelope, getattr(envelope, name) if name else None


def context_of(fact: pb.JobSubmitted) -> tuple[Reference, ...]:
    """The payloads of earlier turns that a job reads."""
    return tuple(Reference(reference.hash, reference.size) for reference in fact.context)


def page_after(events: Sequence[bytes], after: str | None, limit: int) -> list[bytes]:
    """So many of these serialised events behind the one with the id `after`. Raises LookupError where it is none."""
    if after is None:
        return list(events[:limit])
    ids = [pb.Envelope.FromString(event).id for event in events]
    if after not in ids:
        raise LookupError(after)
    start = ids.index(after) + 1
    return list(events[start : start + limit])
