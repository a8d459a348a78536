"""What every journal must do, on every store."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from actors.journal.envelopes import open_envelope
from actors.journal.journal import Journal
from actors.journal.protocol import JobQuery, Worker
from actors.stores import StaleEpochError
from pipelines.commands import Cancel, Failed, Finish, Released, Remedy, Verdict
from pipelines.jobs import ClaimedJob, Fault, Status, StepState
from tests.contract.journal_stores import with_shards
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

pytestmark = with_shards

CRASH = Failed(fault=Fault("server_error", "boom"), remedy=Remedy.RETRY)


async def event_types(journal: Journal, number: int = 0) -> list[str]:
    return [open_envelope(event)[0].type for event in await journal.events("default", job_id(number), None, 100)]


async def claim_inference(journal: Journal, number: int = 0) -> ClaimedJob:
    await journal.submit([submit(number)])
    (prompting,) = await journal.claim(claim())
    await journal.finish([finish(prompting, rendered())])
    (inference,) = await journal.claim(claim(INFERENCE, claim_id="c2"))
    return inference


async def test_a_job_passes_through_its_five_events(journal: Journal) -> None:
    inference = await claim_inference(journal)
    await journal.finish([finish(inference, generated())])
    expected = ["JobSubmitted", "PromptRendered", "InferenceStarted", "InferenceCompleted", "ResultStored"]
    assert await event_types(journal) == expected
    (job,) = await journal.jobs("default", [job_id()])
    assert job is not None
    assert (job.status, job.fence, job.end) == (Status.COMPLETED, 2, 24)


async def test_a_job_that_comes_with_its_prompt_begins_with_the_inference(journal: Journal) -> None:
    prompt = rendered().prompt
    await journal.submit([submit(rendered=prompt, input_tokens=3)])
    assert await journal.claim(claim()) == []
    (inference,) = await journal.claim(claim(INFERENCE, claim_id="c2"))
    assert (inference.fence, inference.payloads) == (1, {prompt.reference: prompt.data})
    await journal.finish([finish(inference, generated())])
    expected = ["JobSubmitted", "PromptRendered", "InferenceStarted", "InferenceCompleted", "ResultStored"]
    assert await event_types(journal) == expected
    (job,) = await journal.jobs("default", [job_id()])
    assert job is not None
    assert (job.status, job.input_tokens) == (Status.COMPLETED, 3)


async def test_a_repeated_submit_makes_no_second_job(journal: Journal) -> None:
    first = await journal.submit([submit(), submit()])
    again = await journal.submit([submit()])
    assert {answer.verdict for answer in first + again} == {Verdict.DONE}
    assert await event_types(journal) == ["JobSubmitted"]


async def test_a_repeated_claim_gets_the_same_jobs(journal: Journal) -> None:
    await journal.submit([submit(n) for n in range(3)])
    first = await journal.claim(claim(slots=2))
    again = await journal.claim(claim(slots=2))
    assert [(job.job_id, job.fence) for job in again] == [(job.job_id, job.fence) for job in first]
    assert len(await journal.claim(claim(claim_id="c2"))) == 1


async def test_a_late_copy_of_an_answered_claim_takes_nothing(journal: Journal) -> None:
    await journal.register(Worker(id="w1", topic=PROMPTING, slots=10))
    answered = replace(claim(), number=1)
    assert await journal.claim(answered) == []
    await journal.submit([submit()])
    assert await journal.claim(answered) == []
    assert len(await journal.claim(replace(claim(claim_id="c2"), number=2))) == 1


async def test_a_repeated_outcome_gets_the_first_answer_and_no_second_event(journal: Journal) -> None:
    inference = await claim_inference(journal)
    outcome = finish(inference, generated())
    answers = [(await journal.finish([outcome]))[0] for _ in range(2)]
    assert answers[0] == answers[1]
    assert (await event_types(journal)).count("ResultStored") == 1


async def test_a_stale_fence_is_refused(journal: Journal) -> None:
    await journal.submit([submit()])
    (old,) = await journal.claim(claim(worker="dead"))
    await journal.orphan("dead", crashed=True)
    (new,) = await journal.claim(claim(worker="alive", claim_id="c2"))
    answers = await journal.finish([finish(old, rendered()), finish(new, rendered())])
    assert [answer.verdict for answer in answers] == [Verdict.STALE, Verdict.DONE]
    assert new.fence == old.fence + 1


async def test_attempts_are_counted_when_claimed_and_end_in_a_dead_letter(journal: Journal, clock: ManualClock) -> None:
    await journal.submit([submit()])
    for attempt in range(1, 6):
        (claimed,) = await journal.claim(claim(claim_id=f"c{attempt}"))
        assert claimed.attempt == attempt
        await journal.finish([finish(claimed, CRASH)])
        clock.time += 60
        await journal.tick()
    (job,) = await journal.jobs("default", [job_id()])
    assert job is not None
    assert (job.status, job.fault) == (Status.FAILED, CRASH.fault)
    assert (await event_types(journal))[-1] == "JobDeadLettered"


async def test_a_failed_step_waits_before_it_is_offered_again(journal: Journal, clock: ManualClock) -> None:
    await journal.submit([submit()])
    (claimed,) = await journal.claim(claim())
    await journal.finish([finish(claimed, CRASH)])
    await journal.tick()
    assert await journal.claim(claim(claim_id="c2")) == []
    clock.time += 1
    await journal.tick()
    assert len(await journal.claim(claim(claim_id="c3"))) == 1


async def test_rejected_input_fails_at_once(journal: Journal) -> None:
    await journal.submit([submit()])
    (claimed,) = await journal.claim(claim())
    rejected = Failed(fault=Fault("context_length_exceeded", "too long"), remedy=Remedy.REJECT)
    await journal.finish([finish(claimed, rejected)])
    assert await event_types(journal) == ["JobSubmitted", "JobFailed"]


async def test_a_release_spends_no_attempt_until_there_were_ten(journal: Journal) -> None:
    await journal.submit([submit()])
    for number in range(10):
        (claimed,) = await journal.claim(claim(claim_id=f"c{number}"))
        assert claimed.attempt == 1
        await journal.finish([finish(claimed, Released())])
    assert await journal.claim(claim(claim_id="late")) == []


async def test_cancel_is_final_and_revokes_the_claim(journal: Journal) -> None:
    await journal.register(Worker(id="w1", topic=INFERENCE, slots=1))
    inference = await claim_inference(journal)
    await journal.cancel([Cancel(job_id=job_id(), tenant="default")])
    assert (await journal.heartbeat("w1", 5)).revoked == [(inference.job_id, inference.fence)]
    assert (await journal.heartbeat("w1", 0)).revoked == [(inference.job_id, inference.fence)]  # the first was lost
    (answer,) = await journal.finish([finish(inference, generated())])
    assert (answer.verdict, answer.status) == (Verdict.STALE, Status.CANCELLED)
    (again,) = await journal.cancel([Cancel(job_id=job_id(), tenant="default")])
    assert again.verdict is Verdict.TERMINAL


async def test_a_passed_deadline_fails_the_job(journal: Journal, clock: ManualClock) -> None:
    await journal.submit([submit(deadline_s=10)])
    clock.time += 11
    await journal.tick()
    assert await event_types(journal) == ["JobSubmitted", "JobFailed"]
    assert await journal.claim(claim()) == []


async def test_higher_priority_goes_first_then_the_longest_wait(journal: Journal, clock: ManualClock) -> None:
    for number, priority in enumerate([0, 5, 0, 5]):
        await journal.submit([submit(number, priority=priority)])
        clock.time += 1
    claimed = await journal.claim(claim(slots=3))
    assert [job.job_id for job in claimed] == [job_id(1), job_id(3), job_id(0)]


async def test_another_tenants_job_looks_unknown(journal: Journal) -> None:
    await journal.submit([submit(tenant="a")])
    assert await journal.jobs("b", [job_id()]) == [None]
    assert await journal.events("b", job_id(), None, 10) == []
    assert await journal.list_jobs(JobQuery("b")) == []
    (answer,) = await journal.cancel([Cancel(job_id=job_id(), tenant="b")])
    assert answer.verdict is Verdict.UNKNOWN


async def test_lists_page_from_the_newest(journal: Journal) -> None:
    await journal.submit([submit(n) for n in range(5)])
    first = await journal.list_jobs(JobQuery("default", limit=2))
    second = await journal.list_jobs(JobQuery("default", limit=2, after=first[-1].id))
    assert [job.id for job in first + second] == [job_id(n) for n in (4, 3, 2, 1)]
    with pytest.raises(LookupError):
        await journal.list_jobs(JobQuery("default", after="resp_unknown"))


async def test_small_payloads_come_with_the_claim(journal: Journal) -> None:
    command = submit(request=payload(b"hello"))
    await journal.submit([command])
    (claimed,) = await journal.claim(claim())
    assert claimed.payloads == {command.request.reference: b"hello"}
    assert await journal.blobs("default", [command.request.reference]) == [b"hello"]
    assert await journal.blobs("other", [command.request.reference]) == [None]


async def test_a_restart_keeps_everything_and_knows_what_is_ready(open_journal: Callable[[], Journal]) -> None:
    before = open_journal()
    await before.submit([submit(n) for n in range(3)])
    await before.claim(claim(slots=1))
    after = open_journal()
    depth = (await after.depth())[PROMPTING]
    assert (depth.ready, depth.claimed) == (2, 1)
    assert after.counts.coming == {INFERENCE: 1}
    assert len(await after.claim(claim(claim_id="c1", slots=1))) == 1  # the answer that was lost


async def test_the_depth_tells_who_holds_claims_and_how_many_have_come_to_an_outcome(journal: Journal) -> None:
    await journal.submit([submit(n) for n in range(3)])
    (first,) = await journal.claim(claim(slots=1, worker="w2"))
    second, third = await journal.claim(claim(claim_id="c2"))
    assert (await journal.depth())[PROMPTING].holders == ("w1", "w2")
    await journal.finish([finish(first, rendered()), finish(first, rendered()), finish(second, Released())])
    assert (await journal.depth())[PROMPTING][-2:] == (1, ("w1",))
    await journal.finish([finish(third, CRASH)])
    assert (await journal.depth())[PROMPTING][-2:] == (2, ())


async def test_a_kill_after_the_commit_before_the_reply_is_harmless(open_journal: Callable[[], Journal]) -> None:
    before = open_journal()
    await before.submit([submit()])  # this answer is lost
    after = open_journal()
    (answer,) = await after.submit([submit()])
    assert answer.verdict is Verdict.DONE
    assert await event_types(after) == ["JobSubmitted"]


async def test_a_replaced_journal_can_never_write_again(open_journal: Callable[[], Journal]) -> None:
    old, new = open_journal(), open_journal()
    with pytest.raises(StaleEpochError):
        await old.submit([submit()])
    assert await new.jobs("default", [job_id()]) == [None]


async def test_a_replaced_journal_sends_its_workers_away(open_journal: Callable[[], Journal]) -> None:
    old, _ = open_journal(), open_journal()
    await old.register(Worker(id="w1", topic=PROMPTING, slots=1))
    for attempt in (old.tick(), old.heartbeat("w1", 0)):
        with pytest.raises(StaleEpochError):
            await attempt


async def test_one_bad_row_among_64_fails_alone(journal: Journal) -> None:
    batch = [submit(n) for n in range(64)]
    batch[17] = submit(17, deadline_s="soon")
    with pytest.raises(TypeError):
        await journal.submit(batch)
    jobs = await journal.jobs("default", [job_id(n) for n in range(64)])
    assert [n for n, job in enumerate(jobs) if job is None] == [17]


async def test_outcomes_for_unknown_jobs_are_answered_per_row(journal: Journal) -> None:
    inference = await claim_inference(journal)
    ghost = Finish(job_id=job_id(9), fence=1, outcome=Released())
    answers = await journal.finish([ghost, finish(inference, generated())])
    assert [answer.verdict for answer in answers] == [Verdict.UNKNOWN, Verdict.DONE]


async def test_every_terminal_leaves_an_open_seal_until_it_is_marked(journal: Journal) -> None:
    await journal.submit([submit()])
    await journal.cancel([Cancel(job_id=job_id(), tenant="default")])
    assert [job.id for job in await journal.unsealed(10)] == [job_id()]
    await journal.mark_sealed([job_id()])
    assert await journal.unsealed(10) == []


async def test_followers_see_events_in_commit_order_and_once(journal: Journal) -> None:
    await journal.submit([submit()])
    first = await journal.follow("s", {job_id(): 0}, [], 5)
    await journal.cancel([Cancel(job_id=job_id(), tenant="default")])
    second = await journal.follow("s", {}, [], 5)
    types = [open_envelope(event)[0].type for _, events in (first[job_id()], second[job_id()]) for event in events]
    assert types == ["JobSubmitted", "JobCancelled"]


async def test_a_worker_from_before_a_restart_keeps_its_claims_for_a_full_lease(
    open_journal: Callable[[], Journal], clock: ManualClock
) -> None:
    await open_journal().submit([submit()])
    before = open_journal()
    await before.claim(claim(worker="w1"))
    clock.time += 1000
    after = open_journal()
    assert after.workers.silent() == []
    assert not (await after.heartbeat("w1", 0)).known
    clock.time += 21
    assert after.workers.silent() == ["w1"]
    await after.orphan("w1", crashed=False)
    (job,) = await after.jobs("default", [job_id()])
    assert job is not None
    assert job.step_state is StepState.READY


async def test_a_claim_of_an_unregistered_worker_has_a_lease_too(journal: Journal, clock: ManualClock) -> None:
    await journal.submit([submit()])
    await journal.claim(claim(worker="w1"))
    assert journal.workers.silent() == []
    clock.time += 21
    assert journal.workers.silent() == ["w1"]


async def test_a_claim_that_comes_with_the_end_of_its_worker_has_a_lease_too(
    journal: Journal, clock: ManualClock
) -> None:
    await journal.submit([submit()])
    await asyncio.gather(journal.orphan("w1", crashed=True), journal.claim(claim(worker="w1")))
    clock.time += 21
    assert journal.workers.silent() == ["w1"]
