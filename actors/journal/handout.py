"""What a worker is given for a claim: which steps it may take now, and what comes with each."""

from collections.abc import Mapping, Sequence

from actors.journal.store import Transaction
from pipelines.commands import INLINE_BYTES, Claim
from pipelines.generate import RENDER
from pipelines.jobs import ClaimedJob, Job, Reference

Payloads = Mapping[tuple[str, Reference], bytes]  # by tenant and reference


def offer(transaction: Transaction, claim: Claim, held: Sequence[Job], tester: str) -> Sequence[Job] | None:
    """The steps that a worker may take beside those that it holds. `tester` is the one worker that tries suspects.

    None while it must stay alone with suspects, or get free for them.
    """
    if any(job.suspects for job in held):
        return None
    suspects = transaction.suspects(claim.topic, claim.slots) if tester == claim.worker else []
    if suspects and not transaction.on_trial(claim.topic):
        return None if held else suspects
    return transaction.ready(claim.topic, claim.slots)


def hand_out(transaction: Transaction, jobs: Sequence[Job], ready_at: Sequence[float], now: float) -> list[ClaimedJob]:
    """The claimed jobs with their small payloads, and since when each was ready."""
    payloads = _payloads(transaction, jobs)
    return [_claimed(job, since, payloads, now) for job, since in zip(jobs, ready_at, strict=True)]


def _payloads(transaction: Transaction, jobs: Sequence[Job]) -> Payloads:
    """What the steps of these jobs need, in one query per tenant."""
    wanted: dict[str, list[Reference]] = {}
    for job in jobs:
        needed = _needed(job)
        if needed is not None and needed.size <= INLINE_BYTES:
            wanted.setdefault(job.tenant, []).append(needed)
    return {
        (tenant, reference): data
        for tenant, references in wanted.items()
        for reference, data in zip(references, transaction.blobs(tenant, references), strict=True)
        if data is not None
    }


def _claimed(job: Job, ready_at: float, payloads: Payloads, now: float) -> ClaimedJob:
    needed = _needed(job)
    data = payloads.get((job.tenant, needed)) if needed is not None else None
    return ClaimedJob(
        job_id=job.id,
        tenant=job.tenant,
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
        rendered=job.rendered,
        payloads={needed: data} if needed is not None and data is not None else {},
    )


def _needed(job: Job) -> Reference | None:
    """What the present step reads."""
    return job.request if job.step == RENDER else job.rendered
