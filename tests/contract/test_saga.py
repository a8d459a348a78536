"""The steps of a RAG job in every journal on every store: order, payloads, deadlines, and what compensates."""

from typing import Any

import pytest

from actors.journal.envelopes import open_envelope
from actors.journal.journal import Journal
from actors.journal.protocol import DeadLetterQuery, Worker
from pipelines.commands import Cancel, Outcome, Redrive, Reranked, Retrieved
from pipelines.errors import RejectError, TransientError, outcome_of
from pipelines.jobs import ClaimedJob, Job, Status, StepState
from pipelines.steps import RAG, RAG_REQUIRED, RENDER, RERANK, RERANKING_TOPIC, RETRIEVAL_TOPIC
from tests.factories import (
    INFERENCE,
    PROMPTING,
    ManualClock,
    claim,
    finish,
    generated,
    job_id,
    payload,
    rendered,
    submit,
)

FOUND, ORDERED = payload(b"found"), payload(b"ordered")
RETRIEVED = Retrieved(context=FOUND, passages=2, reranked=True)
RERANKED = Reranked(context=ORDERED, passages=2)
MAYBE_RETRIES = 6  # more claims than a step has attempts


async def take(journal: Journal, topic: str, name: str = "c") -> ClaimedJob:
    (claimed,) = await journal.claim(claim(topic, claim_id=f"{name} {topic}"))
    return claimed


async def do(journal: Journal, topic: str, outcome: Outcome) -> ClaimedJob:
    claimed = await take(journal, topic)
    await journal.finish([finish(claimed, outcome)])
    return claimed


async def the_job(journal: Journal, number: int = 0) -> Job:
    (job,) = await journal.jobs("default", [job_id(number)])
    assert job is not None
    return job


async def told(journal: Journal) -> list[Any]:
    return [open_envelope(event)[1] for event in await journal.events("default", job_id(), None, 100)]


async def names(journal: Journal) -> list[str]:
    return [fact.DESCRIPTOR.name for fact in await told(journal)]


async def kept(journal: Journal) -> list[bool]:
    """Whether the passages as they were found, and in their final order, are there."""
    return [data is not None for data in await journal.blobs("default", [FOUND.reference, ORDERED.reference])]


async def fail_for_ever(journal: Journal, clock: ManualClock, topic: str, error: Exception) -> None:
    for attempt in range(MAYBE_RETRIES):
        for claimed in await journal.claim(claim(topic, claim_id=f"{attempt} {topic}")):
            await journal.finish([finish(claimed, outcome_of(error))])
        clock.time += 4  # longer than any of the first backoffs
        await journal.tick()


async def test_a_rag_job_goes_through_its_four_steps_with_the_passages(journal: Journal) -> None:
    await journal.submit([submit(pipeline=RAG)])
    claimed = await do(journal, RETRIEVAL_TOPIC, RETRIEVED)
    assert (claimed.context, list(claimed.payloads)) == (None, [claimed.request])
    claimed = await do(journal, RERANKING_TOPIC, RERANKED)
    assert claimed.payloads[FOUND.reference] == b"found"
    claimed = await do(journal, PROMPTING, rendered())
    assert (claimed.context, claimed.payloads[ORDERED.reference]) == (ORDERED.reference, b"ordered")
    await do(journal, INFERENCE, generated())
    job = await the_job(journal)
    assert (job.status, job.context) == (Status.COMPLETED, ORDERED.reference)
    assert await names(journal) == [
        *("JobSubmitted", "ContextRetrieved", "ContextReranked", "PromptRendered"),
        *("InferenceStarted", "InferenceCompleted", "ResultStored"),
    ]
    assert await kept(journal) == [False, True]


async def test_what_is_not_to_be_reranked_is_rendered_at_once(journal: Journal) -> None:
    await journal.submit([submit(pipeline=RAG)])
    await do(journal, RETRIEVAL_TOPIC, Retrieved(context=FOUND, passages=1, reranked=False))
    assert (await the_job(journal)).step == RENDER


async def test_passages_go_with_their_job(journal: Journal, clock: ManualClock) -> None:
    await journal.submit([submit(pipeline=RAG)])
    for topic, outcome in ((RETRIEVAL_TOPIC, RETRIEVED), (RERANKING_TOPIC, RERANKED), (PROMPTING, rendered())):
        await do(journal, topic, outcome)
    await do(journal, INFERENCE, generated())
    await journal.mark_sealed([job_id()])
    clock.time += 31 * 86400
    await journal.prune(10)
    assert await kept(journal) == [False, False]


@pytest.mark.parametrize("error", [ValueError("boom"), RejectError("no", "invalid_value")])
async def test_a_reranker_that_fails_is_gone_without(journal: Journal, clock: ManualClock, error: Exception) -> None:
    await journal.submit([submit(pipeline=RAG)])
    await do(journal, RETRIEVAL_TOPIC, RETRIEVED)
    await fail_for_ever(journal, clock, RERANKING_TOPIC, error)
    job = await the_job(journal)
    assert (job.step, job.step_state, job.context) == (RENDER, StepState.READY, FOUND.reference)
    assert (job.attempt, job.failures) == (0, 0)
    (skipped,) = [fact for fact in await told(journal) if fact.DESCRIPTOR.name == "RerankingSkipped"]
    assert skipped.error.kind == type(error).__name__
    assert await journal.dead_letters(DeadLetterQuery("default")) == []


async def test_a_required_reranker_that_fails_fails_the_job_and_its_passages_are_given_back(
    journal: Journal, clock: ManualClock
) -> None:
    await journal.submit([submit(pipeline=RAG_REQUIRED)])
    await do(journal, RETRIEVAL_TOPIC, RETRIEVED)
    await fail_for_ever(journal, clock, RERANKING_TOPIC, ValueError("boom"))
    job = await the_job(journal)
    assert (job.status, job.context) == (Status.FAILED, None)
    assert (await names(journal))[-2:] == ["ContextReleased", "JobDeadLettered"]
    assert await kept(journal) == [False, False]
    await journal.redrive([Redrive(job_id=job_id(), tenant="default")])
    assert (await take(journal, RETRIEVAL_TOPIC, "again")).attempt == 1


async def test_a_retriever_that_rejects_fails_the_job_at_once(journal: Journal) -> None:
    await journal.submit([submit(pipeline=RAG)])
    await do(journal, RETRIEVAL_TOPIC, outcome_of(RejectError("There is no such store.", "not_found")))
    job = await the_job(journal)
    assert (job.status, job.fault and job.fault.code) == (Status.FAILED, "not_found")
    assert await names(journal) == ["JobSubmitted", "JobFailed"]


@pytest.mark.parametrize(
    ("pipeline", "limit_s", "status"), [(RAG, 20, Status.QUEUED), (RAG_REQUIRED, 60, Status.FAILED)]
)
async def test_reranking_has_its_time_however_often_it_is_tried(
    journal: Journal, clock: ManualClock, pipeline: str, limit_s: int, status: Status
) -> None:
    await journal.submit([submit(pipeline=pipeline)])
    await do(journal, RETRIEVAL_TOPIC, RETRIEVED)
    await do(journal, RERANKING_TOPIC, outcome_of(TransientError("not there", retry_after_s=5)))
    clock.time += limit_s - 1
    await journal.tick()
    assert (await the_job(journal)).step == RERANK
    clock.time += 1
    await journal.tick()
    job = await the_job(journal)
    assert (job.status, job.step, job.fault and job.fault.code) == (
        (status, RENDER, None) if status is Status.QUEUED else (status, RERANK, "step_expired")
    )


async def test_a_step_that_nobody_serves_ends_with_its_time(journal: Journal, clock: ManualClock) -> None:
    await journal.submit([submit(pipeline=RAG)])
    clock.time += 59
    await journal.tick()
    assert (await the_job(journal)).status is Status.QUEUED
    clock.time += 1
    await journal.tick()
    job = await the_job(journal)
    assert (job.status, job.fault and job.fault.code) == (Status.FAILED, "step_expired")
    clock.time += 1
    await journal.tick()
    assert (await names(journal))[1:] == ["JobFailed"]


async def test_a_worker_whose_time_is_over_is_told(journal: Journal, clock: ManualClock) -> None:
    await journal.register(Worker(id="w1", topic=RERANKING_TOPIC, slots=1))
    await journal.submit([submit(pipeline=RAG)])
    await do(journal, RETRIEVAL_TOPIC, RETRIEVED)
    late = await take(journal, RERANKING_TOPIC)
    clock.time += 20
    await journal.tick()
    assert (await journal.heartbeat("w1", 5)).revoked == [(late.job_id, late.fence)]
    await journal.finish([finish(late, RERANKED)])
    assert (await the_job(journal)).context == FOUND.reference


async def test_rendering_has_no_end_of_its_own(journal: Journal, clock: ManualClock) -> None:
    await journal.submit([submit(pipeline=RAG)])
    await do(journal, RETRIEVAL_TOPIC, Retrieved(context=FOUND, passages=1, reranked=False))
    clock.time += 3000
    await journal.tick()
    assert (await the_job(journal)).step_state is StepState.READY


async def test_a_cancel_gives_the_passages_back_once(journal: Journal) -> None:
    await journal.submit([submit(pipeline=RAG), submit(1, pipeline=RAG)])
    claims = await journal.claim(claim(RETRIEVAL_TOPIC))
    await journal.finish([finish(claimed, RETRIEVED) for claimed in claims])
    await journal.cancel([Cancel(job_id=job_id(), tenant="default")])
    assert (await names(journal))[-2:] == ["ContextReleased", "JobCancelled"]
    assert await kept(journal) == [True, False]  # the other job refers to the same passages
    await journal.cancel([Cancel(job_id=job_id(1), tenant="default")])
    assert await kept(journal) == [False, False]
