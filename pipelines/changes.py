"""What changes of a job have in common: how a step follows another, is tried again, or is the job's end.

Compensation: a job that fails or is cancelled gives back the passages that were retrieved for it, in the same
transaction as its end. What else it has claimed (tokens of a budget, a conversation) the journal gives back there.
"""

from typing import Any, NamedTuple

from events.v1 import events_pb2 as pb
from pipelines.jobs import Blame, DeadLetter, Fault, Job, Reference, Status, StepState, Usage, evolve
from pipelines.steps import INFER, RAG, RENDER, RERANK, Step, limit_s, step_of


class Change(NamedTuple):
    """A job's new row, what has happened, as messages of `events.v1`, and its dead letter if it was given up.

    `dropped` are payloads to which it refers no more.
    """

    job: Job
    facts: list[Any]
    dead_letter: DeadLetter | None = None
    dropped: tuple[Reference, ...] = ()


def advance(job: Job, step: Step, now: float) -> Job:
    """The next step is ready."""
    return evolve(
        job,
        step=step.name,
        topic=step.topic,
        step_state=StepState.READY,
        ready_at=now,
        step_deadline_at=None,
        step_ends_at=ends_at(job.pipeline, step.name, now),
        attempt=0,
        failures=0,
        crashes=0,
        lone_crashes=0,
        suspects="",
        releases=0,
    )


def ends_at(pipeline: str, step: str, now: float) -> float | None:
    """When a step that is ready now is given up."""
    limit = limit_s(pipeline, step)
    return None if limit is None else now + limit


def retry(job: Job, fault: Fault, blame: Blame, now: float, ready_at: float) -> Change:
    """The step is tried again, at once or later."""
    state = StepState.WAITING if ready_at > now else StepState.READY
    fact = pb.JobRetried(error=error_message(fault, blame), ready_us=micros(ready_at), worker=job.worker)
    return Change(evolve(job, step_state=state, ready_at=ready_at, step_deadline_at=None), [fact])


def fail(job: Job, fault: Fault, blame: Blame, now: float) -> Change:
    """The job fails for a known reason."""
    fact = pb.JobFailed(error=error_message(fault, blame), worker=_holder(job))
    return end(job, Status.FAILED, [fact], now, fault)


def dead_letter(job: Job, fault: Fault, blame: Blame, now: float) -> Change:
    """The job is given up."""
    fact = pb.JobDeadLettered(error=error_message(fault, blame), worker=job.worker)
    letter = DeadLetter(
        job_id=job.id, tenant=job.tenant, model=job.model, code=fault.code, kind=blame.kind, created_at=now
    )
    return end(job, Status.FAILED, [fact], now, fault)._replace(dead_letter=letter)


def dispensable(job: Job) -> bool:
    """Whether the job can do without its present step."""
    return job.step == RERANK and job.pipeline == RAG


def skip(job: Job, fault: Fault, blame: Blame, now: float) -> Change:
    """The job goes on without its reranking."""
    fact = pb.RerankingSkipped(error=error_message(fault, blame), worker=_holder(job))
    return Change(advance(job, step_of(RENDER), now), [fact])


def end(job: Job, status: Status, facts: list[Any], now: float, fault: Fault | None = None, **outcome: Any) -> Change:
    """The job is over, with these columns of its row changed. Where it has no result, its passages are given back."""
    ended = evolve(job, status=status, step_state=StepState.DONE, finished_at=now, fault=fault, **outcome)
    ended.claim_id, ended.step_deadline_at, ended.step_ends_at = "", None, None
    if job.context is None or status in (Status.COMPLETED, Status.INCOMPLETE):
        return Change(ended, facts)
    ended.context = None
    return Change(ended, [pb.ContextReleased(context=reference_message(job.context)), *facts], dropped=(job.context,))


def start(claimed: Job, now: float) -> Change:
    """A worker holds the step, as this new row says; for inference this is also its start."""
    if claimed.step != INFER:
        return Change(claimed, [])
    claimed.status, claimed.started_at = Status.IN_PROGRESS, claimed.started_at or now
    return Change(claimed, [pb.InferenceStarted(worker=claimed.worker, waited_us=micros(now - claimed.ready_at))])


def reference_message(reference: Reference) -> pb.Reference:
    """The claim check in an event."""
    return pb.Reference(hash=reference.hash, size=reference.size)


def usage_message(usage: Usage) -> pb.Usage:
    """The tokens in an event."""
    return pb.Usage(**usage._asdict())


def error_message(fault: Fault, blame: Blame) -> pb.Error:
    """The fault in an event."""
    traceback = reference_message(blame.traceback) if blame.traceback else None
    return pb.Error(code=fault.code, message=fault.message, kind=blame.kind, traceback=traceback)


def micros(seconds: float) -> int:
    """Microseconds, as events have times."""
    return int(seconds * 1e6)


def _holder(job: Job) -> str:
    return job.worker if job.step_state is StepState.CLAIMED else ""
