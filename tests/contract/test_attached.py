"""Jobs that somebody waits for, and the sessions with which they end, in every journal on every store."""

from collections.abc import Callable

import pytest

from actors.journal.journal import Journal
from actors.journal.protocol import Session, Worker
from actors.journal.sessions import GRACE_S, SILENCE_S
from pipelines.commands import Cancel, Key, Submit, Verdict
from pipelines.jobs import Status
from tests.contract.journal_stores import with_shards
from tests.factories import PROMPTING, ManualClock, claim, job_id, submit

pytestmark = with_shards

KEY = Key("/v1/responses", "word", "f")


def attached(number: int = 0, session: str = "s1", key: Key | None = None) -> Submit:
    return submit(number, attached_to=session, key=key)


async def statuses(journal: Journal, count: int) -> list[Status]:
    jobs = await journal.jobs("default", [job_id(number) for number in range(count)])
    return [job.status for job in jobs if job is not None]


async def dismiss(journal: Journal) -> None:
    for session in journal.sessions.over():
        await journal.abandon(session, 100)


@pytest.mark.parametrize("ending", ["is ended", "falls silent"])
async def test_what_is_attached_to_a_session_that(ending: str, journal: Journal, clock: ManualClock) -> None:
    await journal.session(Session("s1"))
    await journal.session(Session("s2"))
    await journal.submit([attached(0), attached(1, "s2"), submit(2)])
    if ending == "is ended":
        await journal.end_session("s1")
    else:
        clock.time += SILENCE_S
        await journal.session(Session("s2"))
    clock.time += GRACE_S - 1
    await dismiss(journal)
    assert await statuses(journal, 3) == [Status.QUEUED] * 3
    clock.time += 1
    await dismiss(journal)
    assert await statuses(journal, 3) == [Status.CANCELLED, Status.QUEUED, Status.QUEUED]


async def test_an_abandoned_job_frees_its_worker(journal: Journal) -> None:
    await journal.register(Worker(id="w1", topic=PROMPTING, slots=1))
    await journal.submit([attached()])
    (claimed,) = await journal.claim(claim())
    assert await journal.abandon("s1", 100) == 1
    assert (await journal.heartbeat("w1", 5)).revoked == [(claimed.job_id, claimed.fence)]
    assert [job.id for job in await journal.unsealed(10)] == [job_id()]


async def test_a_session_is_abandoned_in_parts(journal: Journal) -> None:
    await journal.submit([attached(number) for number in range(5)])
    assert [await journal.abandon("s1", 2) for _ in range(4)] == [2, 2, 1, 0]
    assert await statuses(journal, 5) == [Status.CANCELLED] * 5


async def test_a_restart_gives_the_sessions_of_open_jobs_a_full_term(
    open_journal: Callable[[], Journal], clock: ManualClock
) -> None:
    before = open_journal()
    await before.submit([attached(0), attached(1, "s2"), attached(2, "s3")])
    await before.cancel([Cancel(job_id=job_id(2), tenant="default")])
    clock.time += 1000
    after = open_journal()
    assert after.sessions.over() == []
    clock.time += SILENCE_S
    await after.session(Session("s1"))
    clock.time += GRACE_S
    assert after.sessions.over() == ["s2"]


async def test_a_job_of_a_session_that_never_calls_is_abandoned_too(journal: Journal, clock: ManualClock) -> None:
    await journal.submit([attached()])
    clock.time += SILENCE_S + GRACE_S
    await dismiss(journal)
    assert await statuses(journal, 1) == [Status.CANCELLED]


async def test_a_job_is_cancelled_by_its_own_session_only(journal: Journal) -> None:
    await journal.submit([attached()])
    cancels = [Cancel(job_id=job_id(), tenant="default", attached_to=session) for session in ("s2", "s1")]
    answers = await journal.cancel(cancels)
    assert [(answer.verdict, answer.status) for answer in answers] == [
        (Verdict.STALE, Status.QUEUED),
        (Verdict.DONE, Status.CANCELLED),
    ]


async def test_another_use_of_the_key_attaches_the_job_to_the_new_session(journal: Journal) -> None:
    await journal.submit([attached(0, "s1", KEY)])
    (answer,) = await journal.submit([attached(1, "s2", KEY)])
    assert (answer.verdict, answer.job_id) == (Verdict.DONE, job_id(0))
    assert [await journal.abandon(session, 100) for session in ("s1", "s2")] == [0, 1]
    await journal.submit([attached(2, "s3", KEY)])
    (job,) = await journal.jobs("default", [job_id(0)])
    assert job is not None
    assert (job.status, job.attached_to) == (Status.CANCELLED, "s2")


async def test_a_job_in_the_background_is_never_attached(journal: Journal) -> None:
    await journal.submit([submit(0, key=KEY)])
    await journal.submit([attached(1, "s1", KEY)])
    assert await journal.abandon("s1", 100) == 0
