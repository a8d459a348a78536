"""How tenants share the workers, in every journal on every store."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from actors.journal.disk import Disk
from actors.journal.journal import Journal
from actors.journal.limits import Limits, TenantLimits
from actors.journal.memory import MemoryStore
from actors.journal.store import Store, Transaction
from actors.stores import StoreUnavailableError
from pipelines import transitions
from pipelines.commands import Cancel, Redrive, Released, Verdict
from pipelines.jobs import ClaimedJob
from pipelines.shares import NEAR_S, RISE
from tests.factories import (
    INFERENCE,
    PROMPTING,
    ManualClock,
    claim,
    finish,
    job_id,
    make_ports,
    payload,
    rendered,
    submit,
)

MANY = 2000
PER_CALL = 1000


class House:
    """A journal of several tenants, with one worker that claims."""

    def __init__(self, open_store: Callable[[], Store], clock: ManualClock) -> None:
        self._open_store = open_store
        self.clock = clock
        self.submitted = 0
        self.claims = 0
        self.restart()

    def restart(self, **tenants: TenantLimits) -> None:
        self.store = self._open_store()
        self.journal = Journal(self.store, ports=make_ports(self.clock), limits=Limits(tenants=tenants), coming_s=0)

    async def submit(self, tenant: str, jobs: int = 1, **changes: Any) -> list[Verdict]:
        first, self.submitted = self.submitted, self.submitted + jobs
        batch = [submit(n, tenant=tenant, **changes) for n in range(first, self.submitted)]
        parts = [batch[start : start + PER_CALL] for start in range(0, jobs, PER_CALL)]
        return [answer.verdict for part in parts for answer in await self.journal.submit(part)]

    async def claim(self, slots: int = 1, topic: str = PROMPTING) -> list[ClaimedJob]:
        self.claims += 1
        return await self.journal.claim(claim(topic, slots=slots, claim_id=f"c{self.claims}"))

    async def turns(self, claims: int, topic: str = PROMPTING) -> list[str]:
        """Who gets the slot of so many claims, one after another."""
        return [job.tenant for _ in range(claims) for job in await self.claim(1, topic)]


class LosingStore:
    """A store whose transactions may be lost, or done without an answer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.loses = False
        self.is_done = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._store.transaction() as transaction:
            yield transaction
            self._fail(self.loses and not self.is_done)
        self._fail(self.loses)

    def _fail(self, fails: bool) -> None:
        if fails:
            raise StoreUnavailableError("lost")


@pytest.fixture
def house(open_store: Callable[[], Store], clock: ManualClock) -> House:
    return House(open_store, clock)


def shares(jobs: Sequence[ClaimedJob]) -> Counter[str]:
    return Counter(job.tenant for job in jobs)


async def test_a_tenant_with_many_waiting_jobs_delays_anothers_first_by_one_slot(house: House) -> None:
    await house.submit("a", MANY)
    assert await house.turns(3) == ["a", "a", "a"]
    await house.submit("b")
    assert await house.turns(3) == ["b", "a", "a"]


async def test_that_also_holds_of_a_hundred_thousand(clock: ManualClock) -> None:
    disk = Disk(uuid="one")
    house = House(lambda: MemoryStore(disk), clock)
    with house.store.transaction() as transaction:
        job = transitions.submit(submit(tenant="a"), clock.now()).job
        transaction.insert([replace(job, id=job_id(number)) for number in range(100_000)])
    house.restart()
    house.submitted = 100_000
    assert shares(await house.claim(50)) == {"a": 50}
    await house.submit("b")
    assert await house.turns(2) == ["b", "a"]


async def test_its_first_job_is_rendered_and_begun_as_soon(house: House) -> None:
    await house.submit("a", 8)
    await house.journal.finish([finish(item, rendered()) for item in await house.claim(8)])
    assert await house.turns(2, INFERENCE) == ["a", "a"]
    await house.submit("b")
    await house.journal.finish([finish(item, rendered()) for item in await house.claim()])
    assert await house.turns(2, INFERENCE) == ["b", "a"]


async def test_one_claim_for_many_is_shared_alike(house: House) -> None:
    for tenant in ("a", "b", "c"):
        await house.submit(tenant, 50)
    await house.submit("d", 2)
    assert shares(await house.claim(32)) == {"a": 10, "b": 10, "c": 10, "d": 2}
    assert shares(await house.claim(3)) == {"a": 1, "b": 1, "c": 1}


async def test_each_tenants_jobs_go_on_in_their_order(house: House) -> None:
    await house.submit("a", 3)
    await house.submit("b", 3)
    claims = [job for _ in range(3) for job in await house.claim(2)]
    assert [job.job_id for job in claims if job.tenant == "a"] == [job_id(n) for n in (0, 1, 2)]
    assert [job.job_id for job in claims if job.tenant == "b"] == [job_id(n) for n in (3, 4, 5)]


@pytest.mark.parametrize("slots", [1, 7, 30])
async def test_shares_are_of_tokens_and_not_of_jobs(house: House, slots: int) -> None:
    await house.submit("large", 40, max_output_tokens=900)
    await house.submit("small", 200, max_output_tokens=90)
    claims = [job for _ in range(90 // slots) for job in await house.claim(slots)]
    tokens = Counter[str]()
    for job in claims:
        tokens[job.tenant] += 900 if job.tenant == "large" else 90
    assert abs(tokens["large"] - tokens["small"]) <= 900 + len(claims) * 4  # a prompt of a few tokens comes to each


async def test_a_long_prompt_counts_too(house: House) -> None:
    await house.submit("long", 20, request=payload(b"x" * 4000))
    await house.submit("short", 200, request=payload(b"x" * 400))
    assert shares(await house.claim(110)) == {"long": 10, "short": 100}


async def test_the_rendered_prompt_counts_with_its_own_tokens(house: House) -> None:
    await house.submit("a", 20, max_output_tokens=1)
    await house.submit("b", 20, max_output_tokens=1)
    for item in await house.claim(40):
        outcome = rendered()
        tokens = 99 if item.tenant == "a" else 9
        await house.journal.finish([finish(item, type(outcome)(prompt=outcome.prompt, input_tokens=tokens))])
    assert shares(await house.claim(11, INFERENCE)) == {"a": 1, "b": 10}


async def test_who_had_no_work_has_saved_nothing_and_who_left_still_owes(house: House) -> None:
    await house.submit("a", 50, max_output_tokens=100)
    await house.submit("b", max_output_tokens=1000)
    assert await house.turns(2) == ["a", "b"]
    assert await house.turns(3) == ["a", "a", "a"]
    await house.submit("b", 2, max_output_tokens=1000)  # owes seven jobs of the other still
    assert await house.turns(8) == [*["a"] * 6, "b", "a"]


async def test_a_higher_priority_goes_first_whoever_it_is(house: House) -> None:
    await house.submit("a", 3, priority=1)
    await house.submit("b", 3)
    await house.submit("b", 1, priority=2)
    assert await house.turns(7) == ["b", "a", "a", "a", "b", "b", "b"]
    await house.submit("a", 1, priority=1)
    await house.submit("b", 3)
    assert shares(await house.claim(3)) == {"a": 1, "b": 2}


async def test_batches_of_tenants_share_whatever_their_deadlines(house: House) -> None:
    """The priority of a line is its batch's deadline in minutes, and goes within the tenant only."""
    await house.submit("a", 4, priority=-29_000_000)
    await house.submit("a", 2, priority=-28_999_000)
    await house.submit("b", 4, priority=-29_000_500)
    claims = [job for _ in range(3) for job in await house.claim(2)]
    assert shares(claims) == {"a": 3, "b": 3}
    assert [job.job_id for job in claims if job.tenant == "a"] == [job_id(n) for n in (4, 5, 0)]


async def test_a_job_near_its_deadline_goes_before_those_of_its_priority(house: House, clock: ManualClock) -> None:
    await house.submit("a", 3, deadline_s=10_000.0)
    await house.submit("b", 1, deadline_s=2 * NEAR_S)
    await house.submit("b", 1, deadline_s=NEAR_S + 60, priority=RISE + 1)
    await house.submit("a", 1, priority=1)
    clock.time += NEAR_S
    await house.journal.tick()
    await house.journal.tick()
    assert [job.job_id for _ in range(4) for job in await house.claim()] == [job_id(n) for n in (4, 3, 5, 0)]


async def test_promotions_of_tenants_share_too(house: House, clock: ManualClock) -> None:
    await house.submit("a", 5, deadline_s=2 * NEAR_S)
    await house.submit("b", 2, deadline_s=2 * NEAR_S)
    await house.submit("b", 2)
    clock.time += NEAR_S
    await house.journal.tick()
    assert shares(await house.claim(4)) == {"a": 2, "b": 2}
    assert shares(await house.claim(4)) == {"a": 3, "b": 1}


async def test_a_job_is_promoted_once_also_over_a_restart_and_is_redriven_as_it_was(
    house: House, clock: ManualClock
) -> None:
    await house.submit("a", 1, deadline_s=2 * NEAR_S, priority=3)
    clock.time += NEAR_S
    await house.journal.tick()
    house.restart()
    await house.journal.tick()
    (job,) = await house.journal.jobs("a", [job_id(0)])
    assert job is not None
    assert (job.priority, job.promotion) == (3 + RISE, RISE)
    for life in range(3):
        assert len(await house.claim()) == 1, life
        await house.journal.orphan("w1", crashed=True)
    (answer,) = await house.journal.redrive([Redrive(job_id=job_id(0), tenant="a")])
    (again,) = await house.journal.jobs("a", [answer.job_id])
    assert again is not None
    assert (again.priority, again.promotion, again.tokens) == (3, 0, job.tokens)


async def test_a_job_that_was_given_little_time_is_not_promoted(house: House, clock: ManualClock) -> None:
    await house.submit("a", 1, deadline_s=NEAR_S - 1)
    await house.submit("b", 1)
    for _ in range(2):
        clock.time += 10
        await house.journal.tick()
        house.restart()
    (job,) = await house.journal.jobs("a", [job_id(0)])
    assert job is not None
    assert job.promotion == 0


async def test_more_promotions_than_a_tick_does_are_done_by_the_next(house: House, clock: ManualClock) -> None:
    await house.submit("a", 1200, deadline_s=2 * NEAR_S)
    await house.submit("b", 1, priority=1)
    clock.time += NEAR_S
    for _ in range(3):
        await house.journal.tick()
    assert shares(await house.claim(1200)) == {"a": 1200}


async def test_an_open_job_beyond_a_tenants_limit_is_refused_and_no_other_tenants(house: House) -> None:
    house.restart(a=TenantLimits(jobs=3))
    done, over = Verdict.DONE, Verdict.TOO_MANY
    assert await house.submit("a", 4) == [done, done, done, over]
    assert await house.submit("b", 4) == [done] * 4
    assert (await house.journal.submit([submit(0, tenant="a")]))[0].verdict is done  # a repeat
    assert await house.journal.jobs("a", [job_id(3)]) == [None]
    await house.claim(2)
    assert await house.submit("a") == [over]
    await house.journal.cancel([Cancel(job_id=job_id(0), tenant="a")])
    house.restart(a=TenantLimits(jobs=3))
    assert await house.submit("a", 2) == [done, over]


async def test_the_limits_of_everybody_are_for_who_has_none_of_its_own(house: House) -> None:
    house.restart(**{"*": TenantLimits(jobs=1), "a": TenantLimits(jobs=2)})
    assert (await house.submit("a", 3)).count(Verdict.DONE) == 2
    assert (await house.submit("b", 3)).count(Verdict.DONE) == 1


async def test_no_more_steps_of_a_tenant_are_in_work_than_it_may_have(house: House) -> None:
    house.restart(a=TenantLimits(steps=3))
    await house.submit("a", 5, priority=1)
    await house.submit("b", 5)
    claims = await house.claim(2)
    assert shares(claims) == {"a": 2}
    assert shares(await house.claim(4)) == {"a": 1, "b": 3}
    assert shares(await house.claim(9)) == {"b": 2}
    depth = (await house.journal.depth())[PROMPTING]
    assert (depth.ready, depth.claimed, depth.waiting) == (0, 8, 2)
    await house.journal.finish([finish(claims[0], rendered())])
    depth = (await house.journal.depth())[PROMPTING]
    assert (depth.ready, depth.claimed, depth.waiting) == (2, 7, 0)
    assert shares(await house.claim(9)) == {"a": 1}
    assert shares(await house.claim(9, INFERENCE)) == {"a": 1}  # another topic has its own count


@pytest.mark.parametrize("end", ["finish", "release", "cancel", "orphan"])
async def test_whatever_ends_a_step_in_work_lets_the_next_go_on(house: House, end: str) -> None:
    house.restart(a=TenantLimits(steps=1))
    await house.submit("a", 2)
    (item,) = await house.claim(9)
    assert await house.claim(9) == []
    match end:
        case "finish":
            await house.journal.finish([finish(item, rendered())])
        case "release":
            await house.journal.finish([finish(item, Released())])
        case "cancel":
            await house.journal.cancel([Cancel(job_id=item.job_id, tenant="a")])
        case _:
            await house.journal.orphan("w1", crashed=False)
    assert len(await house.claim(9)) == 1


async def test_the_limit_of_steps_holds_over_a_restart_and_over_classes(house: House) -> None:
    house.restart(a=TenantLimits(steps=3))
    await house.submit("a", 2, priority=1)
    await house.submit("a", 5)
    assert len(await house.claim(1)) == 1
    house.restart(a=TenantLimits(steps=3))
    assert len(await house.claim(9)) == 2
    assert await house.claim(9) == []


async def test_a_restart_knows_all_who_wait(house: House) -> None:
    await house.submit("a", 20)
    await house.submit("b", 2, priority=1)
    await house.submit("c", 3)
    await house.claim(2)
    house.restart()
    assert shares(await house.claim(6)) == {"a": 3, "c": 3}
    assert shares(await house.claim(20)) == {"a": 17}


@pytest.mark.parametrize("is_done", [False, True])
async def test_a_transaction_that_fails_costs_nobody_its_turn(
    open_store: Callable[[], Store], clock: ManualClock, *, is_done: bool
) -> None:
    """Whether it was done or not, nobody knows."""
    losing = LosingStore(open_store())
    house = House(lambda: losing, clock)
    await house.submit("a", 3)
    await house.submit("b", 2)
    await house.submit("b", 1, priority=1)
    losing.loses, losing.is_done = True, is_done
    for command in (house.submit("c"), house.claim(4)):
        with pytest.raises(StoreUnavailableError):
            await command
    losing.loses = False
    await house.submit("d")
    if is_done:
        assert len(await house.journal.claim(claim(slots=4, claim_id="c1"))) == 4  # the repeat
    else:
        assert shares(await house.claim(4)) == {"a": 1, "b": 2, "d": 1}
    left = await house.claim(9)
    assert len(left) == 7 + is_done - 4
    assert (await house.journal.depth())[PROMPTING].ready == 0
    assert house.journal.workers.claimed(PROMPTING) == 7 + is_done


async def test_the_depth_tells_of_the_step_that_is_next(house: House, clock: ManualClock) -> None:
    await house.submit("a", 2)
    clock.time += 10
    await house.submit("b", 1, priority=1)
    clock.time += 5
    assert (await house.journal.depth())[PROMPTING].age_s == 5
    await house.claim()
    assert (await house.journal.depth())[PROMPTING].age_s == 15
    await house.claim()
    await house.claim()
    assert (await house.journal.depth())[PROMPTING].age_s == 0
