"""Claims that come while the step is being made, in every journal on every store: its own transaction serves them."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from actors.journal.envelopes import open_envelope
from actors.journal.journal import Journal
from actors.journal.limits import EVERYBODY, Limits, TenantLimits
from actors.journal.protocol import Worker
from actors.journal.store import Store
from actors.telemetry.metrics import RecordedMetrics
from pipelines.commands import Claim, Finish, Submit
from pipelines.jobs import ClaimedJob, StepState
from tests.factories import (
    INFERENCE,
    PROMPTING,
    ManualClock,
    claim,
    finish,
    generated,
    job_id,
    make_ports,
    payload,
    rendered,
    submit,
)

OpenStore = Callable[[], Store]


class House:
    """A journal, and how often it wrote."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._metrics = RecordedMetrics()
        self.journal = Journal(store, ports=replace(make_ports(ManualClock()), metrics=self._metrics), limits=limits)

    @property
    def commits(self) -> int:
        return len(self._metrics.values["journal_commit_seconds",])

    async def submit(self, jobs: list[Submit], *claims: Claim) -> list[list[ClaimedJob]]:
        """Claims that come while the jobs are being written."""
        _, *claimed = await asyncio.gather(self.journal.submit(jobs), *map(self.journal.claim, claims))
        return cast("list[list[ClaimedJob]]", claimed)

    async def finish(self, finishes: list[Finish], *claims: Claim) -> list[list[ClaimedJob]]:
        """Claims that come while the outcomes are being written."""
        _, *claimed = await asyncio.gather(self.journal.finish(finishes), *map(self.journal.claim, claims))
        return cast("list[list[ClaimedJob]]", claimed)


@pytest.fixture
def open_house(open_store: OpenStore) -> Callable[..., House]:
    return lambda **limits: House(open_store(), Limits(**limits))


@pytest.fixture
def house(open_house: Callable[..., House]) -> House:
    return open_house()


def ids(claimed: list[ClaimedJob]) -> list[str]:
    return [job.job_id for job in claimed]


async def test_a_whole_job_is_three_transactions(house: House) -> None:
    request = payload(b'{"number": 7}')
    ((first,),) = await house.submit([submit(request=request)], claim())
    ((second,),) = await house.finish([finish(first, rendered())], claim(INFERENCE, claim_id="c2"))
    await house.journal.finish([finish(second, generated())])
    assert house.commits == 3
    assert first.payloads == {request.reference: request.data}
    assert list(second.payloads.values()) == [rendered().prompt.data]
    events = [open_envelope(event)[0].type for event in await house.journal.events("default", job_id(), None, 10)]
    assert events == ["JobSubmitted", "PromptRendered", "InferenceStarted", "InferenceCompleted", "ResultStored"]


async def test_what_a_parked_claim_was_given_is_in_the_store(open_store: OpenStore) -> None:
    ((claimed,),) = await House(open_store(), Limits()).submit([submit()], claim())
    after = House(open_store(), Limits()).journal
    (job,) = await after.jobs("default", [job_id()])
    assert job is not None
    assert (job.step_state, job.fence, job.attempt, job.worker) == (StepState.CLAIMED, claimed.fence, 1, "w1")
    assert ids(await after.claim(claim(slots=0))) == [job_id()]  # the answer, once more


async def test_several_claims_share_what_has_come_the_best_first(house: House) -> None:
    jobs = [submit(n, priority=n) for n in range(4)]
    first, second, third = await house.submit(
        jobs, claim(slots=1), claim(slots=2, claim_id="c2", worker="w2"), claim(INFERENCE, claim_id="c3")
    )
    assert (ids(first), ids(second), ids(third)) == ([job_id(3)], [job_id(2), job_id(1)], [])
    depth = (await house.journal.depth())[PROMPTING]
    assert (depth.ready, depth.claimed) == (1, 3)
    assert ids(await house.journal.claim(claim(claim_id="c4"))) == [job_id(0)]


async def test_nobody_passes_those_who_wait_already(house: House) -> None:
    """Not all that is ready is of this batch, so the store is asked."""
    await house.journal.submit([submit(0)])
    held, claimed = await asyncio.gather(house.journal.submit([submit(1)]), house.journal.claim(claim(slots=1)))
    assert len(held) == 1
    assert ids(claimed) == [job_id(0)]
    (claimed,) = await house.submit([submit(2)], claim(slots=1, claim_id="c2"))
    assert ids(claimed) == [job_id(1)]


async def test_a_tenant_has_no_more_in_work_than_it_may(open_house: Callable[..., House]) -> None:
    house = open_house(tenants={EVERYBODY: TenantLimits(steps=2)})
    (claimed,) = await house.submit([submit(n) for n in range(3)], claim())
    assert len(claimed) == 2
    (more,) = await house.finish([finish(claimed[0], rendered())], claim(claim_id="c2"))
    assert ids(more) == [job_id(2)]


async def test_a_late_copy_of_an_older_claim_gets_nothing(house: House) -> None:
    await house.journal.register(Worker(id="w1", topic=PROMPTING, slots=8))
    ((first,),) = await house.submit([submit(0)], claim(number=1))
    await house.submit([submit(1)], claim(claim_id="c2", number=2))
    await house.journal.finish([finish(first, rendered())])
    (late,) = await house.submit([submit(2)], claim(number=1))
    assert late == []
    assert (await house.journal.depth())[PROMPTING].ready == 1


async def test_two_copies_of_a_claim_have_the_same_answer(house: House) -> None:
    await house.journal.register(Worker(id="w1", topic=PROMPTING, slots=8))
    first, second = await house.submit([submit(n) for n in range(3)], *[claim(number=1, slots=2)] * 2)
    assert ids(first) == ids(second) == [job_id(0), job_id(1)]


async def test_a_transaction_that_fails_takes_no_claim_along(house: House) -> None:
    """The bad command fails alone; the claim is served with the good one."""
    good, bad, claimed = await asyncio.gather(
        house.journal.submit([submit(0)]),
        house.journal.submit([submit(1, deadline_s="soon")]),
        house.journal.claim(claim()),
        return_exceptions=True,
    )
    assert not isinstance(good, BaseException)
    assert isinstance(bad, TypeError)
    assert ids(cast("list[ClaimedJob]", claimed)) == [job_id(0)]
    depth = (await house.journal.depth())[PROMPTING]
    assert (depth.ready, depth.claimed) == (0, 1)
