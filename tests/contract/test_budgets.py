"""What a tenant's token budget does, in every journal on every store."""

from collections.abc import Awaitable, Callable

import pytest

from actors.journal.journal import Journal
from actors.journal.limits import Limits
from actors.journal.rows import Budget
from actors.journal.store import Store
from pipelines.commands import Cancel, Failed, Key, Redrive, Remedy, Verdict
from pipelines.jobs import ClaimedJob, Fault, Status
from tests.factories import (
    INFERENCE,
    ManualClock,
    claim,
    finish,
    generated,
    job_id,
    make_ports,
    rendered,
    submit,
)

LIMIT, TOKENS, USED = 100, 40, 16
BOOM = Failed(fault=Fault("server_error", "boom"), remedy=Remedy.RETRY)
NO_GOOD = Failed(fault=Fault("invalid_value", "no good"), remedy=Remedy.REJECT)


class House:
    """A journal in which the tenant `default` has a budget, and its store."""

    def __init__(self, open_store: Callable[[], Store], clock: ManualClock) -> None:
        self._open_store = open_store
        self.clock = clock
        self.restart(LIMIT)

    def restart(self, limit: int | None) -> None:
        budgets = {} if limit is None else {"default": limit}
        self.store = self._open_store()
        self.journal = Journal(self.store, ports=make_ports(self.clock), limits=Limits(token_budgets=budgets))

    async def submit(self, *numbers: int, tokens: int = TOKENS, tenant: str = "default") -> list[Verdict]:
        batch = [submit(n, tenant=tenant, max_output_tokens=tokens, deadline_s=1000.0) for n in numbers]
        return [answer.verdict for answer in await self.journal.submit(batch)]

    def budget(self) -> tuple[int, int]:
        """Reserved and spent."""
        with self.store.transaction() as transaction:
            (budget,) = transaction.budgets(["default"]) or [Budget("default")]
        return budget.reserved, budget.spent


@pytest.fixture
def house(open_store: Callable[[], Store], clock: ManualClock) -> House:
    return House(open_store, clock)


async def test_what_would_exceed_the_budget_is_refused_and_nothing_of_it_is_written(house: House) -> None:
    assert await house.submit(0, 1) == [Verdict.DONE, Verdict.DONE]
    assert await house.submit(2) == [Verdict.OVER_BUDGET]
    assert await house.journal.jobs("default", [job_id(2)]) == [None]
    assert await house.submit(2, tokens=LIMIT - 2 * TOKENS) == [Verdict.DONE]
    assert house.budget() == (LIMIT, 0)


async def test_a_batch_is_decided_in_the_order_of_its_arrival(house: House) -> None:
    batch = [submit(n, max_output_tokens=tokens) for n, tokens in enumerate((60, 50, 30, 20, 10))]
    answers = await house.journal.submit(batch)
    over, done = Verdict.OVER_BUDGET, Verdict.DONE
    assert [answer.verdict for answer in answers] == [done, over, done, over, done]
    assert house.budget() == (LIMIT, 0)


async def test_other_tenants_have_no_limit_and_no_row(house: House) -> None:
    assert await house.submit(0, 1, 2, 3, tenant="other") == [Verdict.DONE] * 4
    with house.store.transaction() as transaction:
        assert transaction.budgets(["default", "other"]) == []


async def test_a_repeat_reserves_nothing(house: House) -> None:
    assert await house.submit(0, 0) == [Verdict.DONE, Verdict.DONE]
    assert await house.submit(0, 1, 0) == [Verdict.DONE] * 3
    assert house.budget() == (2 * TOKENS, 0)


async def test_a_submit_under_a_known_key_reserves_nothing(house: House) -> None:
    twins = [submit(n, key=Key("/async-generate", "word", "f"), max_output_tokens=TOKENS) for n in range(5)]
    answers = [*await house.journal.submit(twins[:3]), *await house.journal.submit(twins[3:])]
    assert {answer.verdict for answer in answers} == {Verdict.DONE}
    assert house.budget() == (TOKENS, 0)


async def complete(house: House, claimed: ClaimedJob, status: Status) -> None:
    await house.journal.finish([finish(claimed, rendered())])
    (inference,) = await house.journal.claim(claim(INFERENCE, claim_id="inference"))
    for _ in range(2):  # the repeat changes nothing
        await house.journal.finish([finish(inference, generated(status))])


async def is_completed(house: House, claimed: ClaimedJob) -> None:
    await complete(house, claimed, Status.COMPLETED)


async def is_incomplete(house: House, claimed: ClaimedJob) -> None:
    await complete(house, claimed, Status.INCOMPLETE)


async def is_rejected(house: House, claimed: ClaimedJob) -> None:
    await house.journal.finish([finish(claimed, NO_GOOD)] * 2)


async def is_cancelled(house: House, claimed: ClaimedJob) -> None:
    await house.journal.cancel([Cancel(job_id=claimed.job_id, tenant="default")] * 2)


async def passes_its_deadline(house: House, claimed: ClaimedJob) -> None:
    house.clock.time = claimed.deadline_at + 1
    await house.journal.tick()


async def becomes_a_dead_letter(house: House, claimed: ClaimedJob) -> None:
    await house.journal.finish([finish(claimed, BOOM)])
    for attempt in range(4):
        house.clock.time += 60
        await house.journal.tick()
        (again,) = await house.journal.claim(claim(claim_id=f"again {attempt}"))
        await house.journal.finish([finish(again, BOOM)])


async def kills_its_workers(house: House, claimed: ClaimedJob) -> None:
    await house.journal.orphan("w1", crashed=True)
    for life in ("w2", "w3"):
        assert [job.job_id for job in await house.journal.claim(claim(worker=life))] == [claimed.job_id]
        await house.journal.orphan(life, crashed=True)


@pytest.mark.parametrize(
    ("end", "spent"),
    [
        (is_completed, USED),
        (is_incomplete, USED),
        (is_rejected, 0),
        (is_cancelled, 0),
        (passes_its_deadline, 0),
        (becomes_a_dead_letter, 0),
        (kills_its_workers, 0),
    ],
)
async def test_a_job_that_ends_gives_back_what_it_reserved_and_has_spent_what_it_used(
    house: House, end: Callable[[House, ClaimedJob], Awaitable[None]], spent: int
) -> None:
    await house.submit(0)
    (claimed,) = await house.journal.claim(claim())
    assert house.budget() == (TOKENS, 0)
    await end(house, claimed)
    (job,) = await house.journal.jobs("default", [job_id()])
    assert job is not None
    assert job.status.terminal
    assert house.budget() == (0, spent)


async def test_what_is_spent_counts_for_ever(house: House) -> None:
    await house.submit(0)
    (claimed,) = await house.journal.claim(claim())
    await is_completed(house, claimed)
    assert await house.submit(1, tokens=LIMIT - USED + 1) == [Verdict.OVER_BUDGET]
    assert await house.submit(1, tokens=LIMIT - USED) == [Verdict.DONE]


async def test_a_cancel_makes_room_for_the_next_submit_of_its_batch(house: House) -> None:
    await house.submit(0, 1)
    await house.journal.cancel([Cancel(job_id=job_id(), tenant="default")])
    assert await house.submit(2, 3) == [Verdict.DONE, Verdict.OVER_BUDGET]


async def test_a_redrive_reserves_again_and_once(house: House) -> None:
    await house.submit(0)
    (claimed,) = await house.journal.claim(claim())
    await becomes_a_dead_letter(house, claimed)
    await house.submit(1, 2)
    command = Redrive(job_id=job_id(), tenant="default")
    (refused,) = await house.journal.redrive([command])
    assert refused.verdict is Verdict.OVER_BUDGET
    await house.journal.cancel([Cancel(job_id=job_id(1), tenant="default")])
    answers = await house.journal.redrive([command, command])
    assert [answer.verdict for answer in answers] == [Verdict.DONE, Verdict.DONE]
    assert house.budget() == (2 * TOKENS, 0)


async def test_a_budget_outlives_a_restart_and_can_be_raised(house: House) -> None:
    await house.submit(0, 1)
    house.restart(2 * LIMIT)
    assert await house.submit(2, 3, 4) == [Verdict.DONE] * 3
    assert await house.submit(5) == [Verdict.OVER_BUDGET]


async def test_a_lifted_budget_still_takes_reservations_back(house: House) -> None:
    await house.submit(0)
    house.restart(None)
    await house.submit(1)
    await house.journal.cancel([Cancel(job_id=job_id(n), tenant="default") for n in range(2)])
    assert house.budget() == (0, 0)
