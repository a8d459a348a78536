"""How a job changes: one pure function per cause, each giving the new row and the events that say so.

A terminal job never changes: callers check `status.terminal` first. The fence rises with every claim, and an
outcome is taken only for the fence of the claim that is in force.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random  # noqa: TID251 - a generator is handed in
from typing import Any, NamedTuple

from events.v1 import events_pb2 as pb
from pipelines.commands import (
    Claim,
    Failed,
    Generated,
    Orphan,
    Outcome,
    Payload,
    Redrive,
    Released,
    Remedy,
    Rendered,
    Submit,
)
from pipelines.generate import INFER, first_step, next_step
from pipelines.jobs import Blame, DeadLetter, Fault, Job, Reference, Status, StepState, Usage
from pipelines.retry import MAX_FREE_RELEASES, backoff_s, delay_s
from pipelines.suspects import accuse, guilty

DEADLINE_PASSED = Fault("deadline_exceeded", "The job's deadline has passed.")
TOO_LONG = Failed(
    fault=Fault("step_deadline_exceeded", "The attempt took longer than its worker allows."),
    remedy=Remedy.RETRY,
    kind="StepDeadlineExceeded",
)


class Change(NamedTuple):
    """A job's new row, what has happened, as messages of `events.v1`, and its dead letter if it was given up."""

    job: Job
    facts: list[Any]
    dead_letter: DeadLetter | None = None


def submit(command: Submit, now: float, *, reserved: int = 0) -> Change:
    """A job is accepted and its first step is ready."""
    return _begin(command, now, reserved=reserved)


def redrive(
    dead: Job, command: Redrive, job_id: str, now: float, *, context: tuple[Reference, ...] = (), reserved: int = 0
) -> Change:
    """A new job that does a dead letter again, from its request and the context of that on. Nobody waits for it."""
    again = Submit(
        job_id=job_id,
        tenant=dead.tenant,
        pipeline=dead.pipeline,
        model=dead.model,
        request=Payload(dead.request, None),
        deadline_s=dead.deadline_at - dead.created_at,
        priority=dead.priority,
        traceparent=dead.traceparent,
        stored=dead.stored,
        context=context,
        conversation=dead.conversation,
    )
    return _begin(again, now, reserved=reserved, delay_s=command.delay_s, redrive_of=dead.id)


def _begin(command: Submit, now: float, *, reserved: int, delay_s: float = 0.0, redrive_of: str = "") -> Change:
    step = first_step()
    job = Job(
        id=command.job_id,
        tenant=command.tenant,
        pipeline=command.pipeline,
        model=command.model,
        step=step.name,
        step_state=StepState.WAITING if delay_s else StepState.READY,
        topic=step.topic,
        priority=command.priority,
        ready_at=now + delay_s,
        deadline_at=now + delay_s + command.deadline_s,
        created_at=now,
        request=command.request.reference,
        traceparent=command.traceparent,
        redrive_of=redrive_of,
        reserved=reserved,
        attached_to=command.attached_to,
        conversation=command.conversation,
        stored=command.stored,
    )
    fact = pb.JobSubmitted(
        pipeline=job.pipeline,
        model=job.model,
        request=_reference(job.request),
        deadline_us=_micros(job.deadline_at),
        priority=job.priority,
        redrive_of=job.redrive_of,
        context=map(_reference, command.context),
    )
    return Change(job, [fact])


def claim(job: Job, command: Claim, now: float) -> Change:
    """A worker holds the step; for inference this is also its start."""
    claimed = replace(
        job,
        step_state=StepState.CLAIMED,
        attempt=job.attempt + 1,
        fence=job.fence + 1,
        worker=command.worker,
        claim_id=command.claim_id,
        step_deadline_at=min(job.deadline_at, now + command.limit_s) if command.limit_s else None,
    )
    if job.step != INFER:
        return Change(claimed, [])
    claimed.status = Status.IN_PROGRESS
    claimed.started_at = job.started_at or now
    return Change(claimed, [pb.InferenceStarted(worker=command.worker, waited_us=_micros(now - job.ready_at))])


def settle(job: Job, outcome: Outcome, now: float, random: Random) -> Change:
    """The worker that holds the step reports its outcome; a repeat is known by `settled`."""
    match outcome:
        case Rendered():
            change = _rendered(job, outcome, now)
        case Generated():
            change = _generated(job, outcome, now)
        case Failed():
            change = _failed(job, outcome, now, random)
        case Released():
            change = _released(job, now, random)
    change.job.settled = job.fence
    return change


def cancel(job: Job, now: float) -> Change:
    """The client ends the job."""
    return Change(_ended(job, Status.CANCELLED, now), [pb.JobCancelled()])


def attach(job: Job, session: str) -> Change:
    """Another session's client waits for it now."""
    return Change(replace(job, attached_to=session), [])


def delete(job: Job, now: float) -> Change:
    """The client wants it gone; what is open is cancelled."""
    change = Change(job, []) if job.status.terminal else cancel(job, now)
    return change._replace(job=replace(change.job, deleted=True, stored=False))


def expire(job: Job, now: float) -> Change:
    """The deadline has passed."""
    return _fail(job, DEADLINE_PASSED, Blame(), now)


def take_back(job: Job, now: float, random: Random) -> Change:
    """The attempt has taken too long: it is over, and has failed."""
    return expire(job, now) if job.deadline_at <= now else _failed(job, TOO_LONG, now, random)


def wake(job: Job, now: float) -> Change:
    """The step has waited long enough; where that was too long for the job, it is not tried again."""
    if job.deadline_at <= now:
        return expire(job, now)
    return Change(replace(job, step_state=StepState.READY, ready_at=now), [])


def orphan(held: Sequence[Job], command: Orphan, now: float) -> list[Change]:
    """The worker that holds these steps is gone."""
    if not command.crashed:
        lost = Fault("worker_lost", f"Worker {command.worker} fell silent.")
        return [_retry(job, lost, Blame("WorkerLost"), now, now) for job in held]
    crashed, blame = Fault("worker_crashed", f"Worker {command.worker} died."), Blame("WorkerCrashed")
    return [
        _dead_letter(job, crashed, blame, now) if guilty(job) else _retry(job, crashed, blame, now, now)
        for job in accuse(held)
    ]


def _rendered(job: Job, outcome: Rendered, now: float) -> Change:
    step = next_step(job.step, job.model)
    if step is None:
        raise ValueError(f"step {job.step!r} renders no prompt")
    job = replace(
        job,
        step=step.name,
        topic=step.topic,
        step_state=StepState.READY,
        ready_at=now,
        step_deadline_at=None,
        attempt=0,
        failures=0,
        crashes=0,
        lone_crashes=0,
        suspects="",
        releases=0,
        rendered=outcome.prompt.reference,
    )
    fact = pb.PromptRendered(
        prompt=_reference(outcome.prompt.reference),
        input_tokens=outcome.input_tokens,
        worker=job.worker,
        waited_us=_micros(outcome.waited_s),
    )
    return Change(job, [fact])


def _generated(job: Job, outcome: Generated, now: float) -> Change:
    job = _ended(job, outcome.status, now)
    job.result, job.usage, job.end = outcome.result.reference, outcome.usage, outcome.end
    reference, usage = _reference(outcome.result.reference), _usage(outcome.usage)
    completed = pb.InferenceCompleted(
        result=reference, usage=usage, finish_reason=outcome.finish_reason, end=outcome.end, worker=job.worker
    )
    if outcome.status is Status.COMPLETED:
        return Change(job, [completed, pb.ResultStored(result=reference, usage=usage)])
    job.reason = "content_filter" if outcome.finish_reason == "content_filter" else "max_output_tokens"
    return Change(job, [completed, pb.JobIncomplete(result=reference, usage=usage, reason=job.reason)])


def _failed(job: Job, outcome: Failed, now: float, random: Random) -> Change:
    blame = Blame(outcome.kind, outcome.traceback.reference if outcome.traceback else None)
    if outcome.remedy is Remedy.RETRY:
        job = replace(job, failures=job.failures + 1)
    delay = delay_s(outcome, job.attempt, job.failures, random)
    if delay is not None:
        return _retry(job, outcome.fault, blame, now, now + delay)
    if outcome.remedy is Remedy.REJECT:
        return _fail(job, outcome.fault, blame, now)
    return _dead_letter(job, outcome.fault, blame, now)


def _released(job: Job, now: float, random: Random) -> Change:
    releases = job.releases + 1
    waits = releases >= MAX_FREE_RELEASES
    ready_at = now + backoff_s(releases - MAX_FREE_RELEASES + 1, random) if waits else now
    state = StepState.WAITING if waits else StepState.READY
    job = replace(job, step_state=state, ready_at=ready_at, attempt=job.attempt - 1, releases=releases)
    job.step_deadline_at = None
    return Change(job, [])


def _retry(job: Job, fault: Fault, blame: Blame, now: float, ready_at: float) -> Change:
    state = StepState.WAITING if ready_at > now else StepState.READY
    fact = pb.JobRetried(error=_error(fault, blame), ready_us=_micros(ready_at), worker=job.worker)
    return Change(replace(job, step_state=state, ready_at=ready_at, step_deadline_at=None), [fact])


def _fail(job: Job, fault: Fault, blame: Blame, now: float) -> Change:
    worker = job.worker if job.step_state is StepState.CLAIMED else ""
    return Change(_ended(job, Status.FAILED, now, fault), [pb.JobFailed(error=_error(fault, blame), worker=worker)])


def _dead_letter(job: Job, fault: Fault, blame: Blame, now: float) -> Change:
    fact = pb.JobDeadLettered(error=_error(fault, blame), worker=job.worker)
    letter = DeadLetter(
        job_id=job.id, tenant=job.tenant, model=job.model, code=fault.code, kind=blame.kind, created_at=now
    )
    return Change(_ended(job, Status.FAILED, now, fault), [fact], letter)


def _ended(job: Job, status: Status, now: float, fault: Fault | None = None) -> Job:
    ended = replace(job, status=status, step_state=StepState.DONE, finished_at=now, fault=fault)
    ended.claim_id, ended.step_deadline_at = "", None
    return ended


def _reference(reference: Reference) -> pb.Reference:
    return pb.Reference(hash=reference.hash, size=reference.size)


def _usage(usage: Usage) -> pb.Usage:
    return pb.Usage(**usage._asdict())


def _error(fault: Fault, blame: Blame) -> pb.Error:
    traceback = _reference(blame.traceback) if blame.traceback else None
    return pb.Error(code=fault.code, message=fault.message, kind=blame.kind, traceback=traceback)


def _micros(seconds: float) -> int:
    return int(seconds * 1e6)
