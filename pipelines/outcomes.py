"""What follows from what a worker says of the step that it holds."""

from collections.abc import Callable
from random import Random  # noqa: TID251 - a generator is handed in
from typing import Any

from events.v1 import events_pb2 as pb
from pipelines.changes import (
    Change,
    advance,
    dead_letter,
    dispensable,
    end,
    fail,
    micros,
    reference_message,
    retry,
    skip,
    usage_message,
)
from pipelines.commands import (
    Embedded,
    Failed,
    Finalized,
    Generated,
    Indexed,
    Outcome,
    Payload,
    Released,
    Remedy,
    Rendered,
    Reranked,
    Retrieved,
    Validated,
)
from pipelines.jobs import Blame, Job, Status, StepState, evolve
from pipelines.retry import MAX_FREE_RELEASES, backoff_s, delay_s
from pipelines.steps import INFER, RENDER, RERANK, step_of


def settle(job: Job, outcome: Outcome, now: float, random: Random) -> Change:
    """The worker that holds the step reports its outcome; a repeat is known by `settled`."""
    match outcome:
        case Failed():
            change = failed(job, outcome, now, random)
        case Released():
            change = _released(job, now, random)
        case _:
            change = _SUCCESSES[type(outcome)](job, outcome, now)
    change.job.settled = job.fence
    return change


def payload_of(outcome: Outcome) -> Payload | None:
    """What an outcome brings along that is to be kept."""
    match outcome:
        case (
            Rendered(prompt=payload)
            | Generated(result=payload)
            | Embedded(result=payload)
            | Failed(traceback=Payload() as payload)
        ):
            return payload
        case Retrieved(context=payload) | Reranked(context=payload):
            return payload
        case _:
            return None


def following_topic(outcome: Outcome, model: str) -> str:
    """The topic of the step that an outcome makes ready at once; "" where the job has ended, or its step is to wait."""
    match outcome:
        case Rendered():
            return step_of(INFER, model).topic
        case Retrieved(reranked=True):
            return step_of(RERANK).topic
        case Retrieved() | Reranked():
            return step_of(RENDER).topic
        case _:
            return ""


def failed(job: Job, outcome: Failed, now: float, random: Random) -> Change:
    """The attempt has failed."""
    blame = Blame(outcome.kind, outcome.traceback.reference if outcome.traceback else None)
    if outcome.remedy is Remedy.RETRY:
        job = evolve(job, failures=job.failures + 1)
    delay = delay_s(outcome, job.attempt, job.failures, random)
    if delay is not None:
        return retry(job, outcome.fault, blame, now, now + delay)
    if dispensable(job):
        return skip(job, outcome.fault, blame, now)
    if outcome.remedy is Remedy.REJECT:
        return fail(job, outcome.fault, blame, now)
    return dead_letter(job, outcome.fault, blame, now)


def _rendered(job: Job, outcome: Rendered, now: float) -> Change:
    following = advance(job, step_of(INFER, job.model), now)
    following.rendered = outcome.prompt.reference
    following.input_tokens = outcome.input_tokens
    fact = pb.PromptRendered(
        prompt=reference_message(outcome.prompt.reference),
        input_tokens=outcome.input_tokens,
        worker=job.worker,
        waited_us=micros(outcome.waited_s),
    )
    return Change(following, [fact])


def _retrieved(job: Job, outcome: Retrieved, now: float) -> Change:
    return _found(job, outcome, RERANK if outcome.reranked else RENDER, pb.ContextRetrieved(), now)


def _reranked(job: Job, outcome: Reranked, now: float) -> Change:
    change = _found(job, outcome, RENDER, pb.ContextReranked(), now)
    return change._replace(dropped=(job.context,) if job.context else ())


def _found(
    job: Job, outcome: Retrieved | Reranked, step: str, fact: pb.ContextRetrieved | pb.ContextReranked, now: float
) -> Change:
    """The job has these passages now, and goes on with the step."""
    following = advance(job, step_of(step), now)
    following.context = outcome.context.reference
    fact.context.CopyFrom(reference_message(outcome.context.reference))
    fact.passages, fact.worker, fact.waited_us = outcome.passages, job.worker, micros(outcome.waited_s)
    return Change(following, [fact])


def _indexed(job: Job, outcome: Indexed, now: float) -> Change:
    fact = pb.FileIndexed(
        chunks=outcome.chunks, usage_bytes=outcome.usage_bytes, tokens=outcome.tokens, worker=job.worker
    )
    return end(evolve(job, stored=False), Status.COMPLETED, [fact], now)  # there is nothing more to tell of it


def _embedded(job: Job, outcome: Embedded, now: float) -> Change:
    result = outcome.result.reference
    fact = pb.ResultStored(result=reference_message(result), usage=usage_message(outcome.usage))
    return end(job, Status.COMPLETED, [fact], now, result=result, usage=outcome.usage)


def _validated(job: Job, outcome: Validated, now: float) -> Change:
    return end(job, Status.COMPLETED, [pb.BatchValidated(lines=outcome.lines, worker=job.worker)], now)


def _finalized(job: Job, outcome: Finalized, now: float) -> Change:
    fact = pb.BatchFinalized(
        output_bytes=outcome.output_bytes,
        error_bytes=outcome.error_bytes,
        reasoning_tokens=outcome.reasoning_tokens,
        worker=job.worker,
    )
    return end(job, Status.COMPLETED, [fact], now)


def _generated(job: Job, outcome: Generated, now: float) -> Change:
    columns: dict[str, Any] = {
        "result": outcome.result.reference,
        "usage": outcome.usage,
        "end": outcome.end,
    }
    reference, usage = reference_message(outcome.result.reference), usage_message(outcome.usage)
    completed = pb.InferenceCompleted(
        result=reference, usage=usage, finish_reason=outcome.finish_reason, end=outcome.end, worker=job.worker
    )
    if outcome.status is Status.COMPLETED:
        return end(job, outcome.status, [completed, pb.ResultStored(result=reference, usage=usage)], now, **columns)
    reason = "content_filter" if outcome.finish_reason == "content_filter" else "max_output_tokens"
    incomplete = pb.JobIncomplete(result=reference, usage=usage, reason=reason)
    return end(job, outcome.status, [completed, incomplete], now, reason=reason, **columns)


def _released(job: Job, now: float, random: Random) -> Change:
    releases = job.releases + 1
    waits = releases >= MAX_FREE_RELEASES
    ready_at = now + backoff_s(releases - MAX_FREE_RELEASES + 1, random) if waits else now
    state = StepState.WAITING if waits else StepState.READY
    job = evolve(job, step_state=state, ready_at=ready_at, attempt=job.attempt - 1, releases=releases)
    job.step_deadline_at = None
    return Change(job, [])


_SUCCESSES: dict[type, Callable[[Job, Any, float], Change]] = {
    Rendered: _rendered,
    Retrieved: _retrieved,
    Reranked: _reranked,
    Indexed: _indexed,
    Generated: _generated,
    Embedded: _embedded,
    Validated: _validated,
    Finalized: _finalized,
}
