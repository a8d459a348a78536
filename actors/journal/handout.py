"""What a worker is given for a claim: which steps it may take now, and what comes with each."""

from collections.abc import Callable, Mapping, Sequence

from actors.journal.store import Transaction
from actors.journal.turns import Steps, Turns
from pipelines.commands import INLINE_BYTES, Claim
from pipelines.jobs import ClaimedJob, Job, Reference
from pipelines.steps import FINALIZE, INFER, RENDER, RERANK, VALIDATE

_READS_CONTEXT = (RENDER, RERANK, INFER)
Payloads = Mapping[tuple[str, Reference], bytes]  # by tenant and reference
Blobs = Callable[[str, Sequence[Reference]], Sequence[bytes | None]]  # those of a tenant


def offer(
    transaction: Transaction, steps: Steps, turns: Turns, claim: Claim, held: Sequence[Job], tester: str
) -> Sequence[Job] | None:
    """The steps that a worker may take beside those that it holds. `tester` is the one worker that tries suspects.

    None while it must stay alone with suspects, or get free for them, be they of another topic of its.
    """
    if any(job.suspects for job in held):
        return None
    for topic in (claim.topics or (claim.topic,)) if tester == claim.worker else ():
        suspects = transaction.suspects(topic, claim.slots) if turns.suspects(topic) else []
        if suspects and not transaction.on_trial(topic):
            return suspects if topic == claim.topic and claim.alone and not held else None
    return turns.draw(steps, claim.topic, claim.slots)


def hand_out(blobs: Blobs, jobs: Sequence[Job], ready_at: Sequence[float], now: float) -> list[ClaimedJob]:
    """The claimed jobs with their small payloads, and since when each was ready."""
    payloads = _payloads(blobs, jobs)
    return [_claimed(job, since, payloads, now) for job, since in zip(jobs, ready_at, strict=True)]


def _payloads(blobs: Blobs, jobs: Sequence[Job]) -> Payloads:
    """What the steps of these jobs need, in one call per tenant."""
    wanted: dict[str, list[Reference]] = {}
    for job in jobs:
        small = [reference for reference in _needed(job) if reference.size <= INLINE_BYTES]
        wanted.setdefault(job.tenant, []).extend(small)
    return {
        (tenant, reference): data
        for tenant, references in wanted.items()
        for reference, data in zip(references, blobs(tenant, references), strict=True)
        if data is not None
    }


def _claimed(job: Job, ready_at: float, payloads: Payloads, now: float) -> ClaimedJob:
    own = {reference: payloads.get((job.tenant, reference)) for reference in _needed(job)}
    return ClaimedJob(
        job_id=job.id,
        tenant=job.tenant,
        pipeline=job.pipeline,
        model=job.model,
        step=job.step,
        attempt=job.attempt,
        fence=job.fence,
        deadline_at=job.deadline_at if job.step_deadline_at is None else job.step_deadline_at,
        created_at=job.created_at,
        ready_at=ready_at,
        claimed_at=now,
        traceparent=job.traceparent,
        request=job.request,
        context=job.context,
        rendered=job.rendered,
        payloads={reference: data for reference, data in own.items() if data is not None},
    )


def _needed(job: Job) -> Sequence[Reference]:
    """What the present step reads."""
    step = job.step
    if step in (VALIDATE, FINALIZE):
        return ()
    first = job.rendered if step == INFER else job.request
    second = job.context if step in _READS_CONTEXT else None
    return [reference for reference in (first, second) if reference is not None]
