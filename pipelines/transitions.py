"""How a job changes: one pure function per cause, each giving the new row and the events that say so.

A terminal job never changes: callers check `status.terminal` first. The fence rises with every claim, and an
outcome is taken only for the fence of the claim that is in force.
"""

from collections.abc import Sequence
from random import Random  # noqa: TID251 - a generator is handed in

from events.v1 import events_pb2 as pb
from pipelines.changes import (
    Change,
    dead_letter,
    dispensable,
    end,
    ends_at,
    fail,
    micros,
    reference_message,
    retry,
    skip,
    start,
)
from pipelines.chores import Orphan
from pipelines.commands import Claim, Failed, Payload, Redrive, Remedy, Submit
from pipelines.jobs import Blame, Fault, Job, Reference, Status, StepState, evolve
from pipelines.outcomes import failed
from pipelines.shares import prompt_tokens, raised
from pipelines.steps import LINE
from pipelines.suspects import accuse, guilty

DEADLINE_PASSED = Fault("deadline_exceeded", "The job's deadline has passed.")
STEP_EXPIRED = Fault("step_expired", "The step did not succeed in the time that it has.")
TOO_LONG = Failed(
    fault=Fault("step_deadline_exceeded", "The attempt took longer than its worker allows."),
    remedy=Remedy.RETRY,
    kind="StepDeadlineExceeded",
)


def submit(command: Submit, now: float, *, reserved: int = 0) -> Change:
    """A job is accepted and its first step is ready."""
    return _begin(command, now, reserved=reserved)


def reject(job: Job, fault: Fault, now: float) -> Change:
    """It cannot be run."""
    return fail(job, fault, Blame(), now)


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
        priority=dead.priority - dead.promotion,
        max_output_tokens=dead.max_output_tokens,
        traceparent=dead.traceparent,
        stored=dead.stored,
        context=context,
        conversation=dead.conversation,
        part_of=dead.part_of,
        rendered=Payload(dead.rendered, None) if dead.pipeline == LINE and dead.rendered else None,
    )
    return _begin(again, now, reserved=reserved, delay_s=command.delay_s, redrive_of=dead.id)


def _begin(command: Submit, now: float, *, reserved: int, delay_s: float = 0.0, redrive_of: str = "") -> Change:
    step = command.first_step
    job = Job(
        id=command.job_id,
        tenant=command.tenant,
        pipeline=command.pipeline,
        model=command.model,
        step=step.name,
        step_state=StepState.WAITING if delay_s else StepState.READY,
        topic=step.topic,
        priority=command.priority,
        input_tokens=command.input_tokens or prompt_tokens(command.request.reference),
        max_output_tokens=command.max_output_tokens,
        ready_at=now + delay_s,
        step_ends_at=ends_at(command.pipeline, step.name, now + delay_s),
        deadline_at=now + delay_s + command.deadline_s,
        created_at=now,
        request=command.request.reference,
        rendered=command.rendered.reference if command.rendered else None,
        traceparent=command.traceparent,
        redrive_of=redrive_of,
        reserved=reserved,
        attached_to=command.attached_to,
        conversation=command.conversation,
        stored=command.stored,
        part_of=command.part_of,
    )
    fact = pb.JobSubmitted(
        pipeline=job.pipeline,
        model=job.model,
        request=reference_message(job.request),
        deadline_us=micros(job.deadline_at),
        priority=job.priority,
        redrive_of=job.redrive_of,
        context=map(reference_message, command.context),
    )
    return Change(job, [fact, *_said_of_prompt(job, command)])


def _said_of_prompt(job: Job, command: Submit) -> list[pb.PromptRendered]:
    """A line of a batch has always come with its prompt, and its story is kept short."""
    if job.rendered is None or job.pipeline == LINE:
        return []
    return [pb.PromptRendered(prompt=reference_message(job.rendered), input_tokens=command.input_tokens)]


def claim(job: Job, command: Claim, now: float) -> Change:
    """A worker holds the step."""
    claimed = evolve(
        job,
        step_state=StepState.CLAIMED,
        attempt=job.attempt + 1,
        fence=job.fence + 1,
        worker=command.worker,
        claim_id=command.claim_id,
        step_deadline_at=min(job.deadline_at, now + command.limit_s) if command.limit_s else None,
    )
    return start(claimed, now)


def cancel(job: Job, now: float) -> Change:
    """The client ends the job."""
    return end(job, Status.CANCELLED, [pb.JobCancelled()], now)


def attach(job: Job, session: str) -> Change:
    """Another session's client waits for it now."""
    return Change(evolve(job, attached_to=session), [])


def delete(job: Job, now: float) -> Change:
    """The client wants it gone; what is open is cancelled."""
    change = Change(job, []) if job.status.terminal else cancel(job, now)
    return change._replace(job=evolve(change.job, deleted=True, stored=False))


def expire(job: Job, now: float) -> Change:
    """The deadline has passed."""
    return fail(job, DEADLINE_PASSED, Blame(), now)


def promote(job: Job) -> Change:
    """The deadline is near."""
    higher = raised(job.priority)
    return Change(evolve(job, priority=higher, promotion=higher - job.priority), [])


def take_back(job: Job, now: float, random: Random) -> Change:
    """The attempt has taken too long: it is over, and has failed."""
    return expire(job, now) if job.deadline_at <= now else failed(job, TOO_LONG, now, random)


def give_up(job: Job, now: float) -> Change:
    """No attempt of the step has succeeded in the time that all of them have."""
    if dispensable(job):
        return skip(job, STEP_EXPIRED, Blame(), now)
    return fail(job, STEP_EXPIRED, Blame(), now)


def wake(job: Job, now: float) -> Change:
    """The step has waited long enough; where that was too long for the job, it is not tried again."""
    if job.deadline_at <= now:
        return expire(job, now)
    return Change(evolve(job, step_state=StepState.READY, ready_at=now), [])


def orphan(held: Sequence[Job], command: Orphan, now: float) -> list[Change]:
    """The worker that holds these steps is gone."""
    if not command.crashed:
        lost = Fault("worker_lost", f"Worker {command.worker} fell silent.")
        return [retry(job, lost, Blame("WorkerLost"), now, now) for job in held]
    crashed, blame = Fault("worker_crashed", f"Worker {command.worker} died."), Blame("WorkerCrashed")
    return [
        _condemn(job, crashed, blame, now) if guilty(job) else retry(job, crashed, blame, now, now)
        for job in accuse(held)
    ]


def _condemn(job: Job, fault: Fault, blame: Blame, now: float) -> Change:
    return skip(job, fault, blame, now) if dispensable(job) else dead_letter(job, fault, blame, now)
