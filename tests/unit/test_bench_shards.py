from pathlib import Path

import pytest

from actors.journal.protocol import JobQuery
from actors.shards import journal_file, open_journal
from benchmarks.shard_stages import run
from benchmarks.shards import MOST, SLOTS, Cost, fit, judge
from pipelines.jobs import Status
from tests.factories import make_ports


def cost(slots: int, *, job_s: float = 400e-6, claim_s: float = 640e-6, busy: float = 0.8) -> Cost:
    cpu_s = job_s + claim_s / slots
    return Cost(cpu_s / busy, cpu_s)


def test_the_model_finds_the_costs_that_it_was_measured_from() -> None:
    model = fit(cost(SLOTS), cost(SLOTS // MOST))
    assert model == pytest.approx((400e-6, 640e-6, 0.8))
    assert model.rate(1, 8) == pytest.approx(1 / cost(SLOTS).wall_s)
    assert model.rate(8, 8) == pytest.approx(8 / cost(SLOTS // 8).wall_s)


def test_more_shards_than_cores_are_as_fast_as_the_cores() -> None:
    model = fit(cost(SLOTS), cost(SLOTS // MOST))
    assert model.rate(4, 2) == pytest.approx(2 / cost(SLOTS // 4).cpu_s)


def test_two_shards_that_do_as_the_model_says_leave_no_error() -> None:
    one, small, half = cost(SLOTS), cost(SLOTS // MOST), cost(SLOTS // 2)
    figures = judge(one, [half, half], small, cores=4)
    assert figures["error"] == 0
    assert figures["two_per_s"] == figures["predicted_two_per_s"]
    assert judge(one, [half, half, half], small, cores=4)["error"] == pytest.approx(1 / 3, abs=0.01)


async def test_all_jobs_go_through_all_stages(tmp_path: Path) -> None:
    async def begin() -> None:
        assert journal_file(tmp_path, 1).exists()

    stages = await run(tmp_path, begin, shard=1, slots=16, jobs=300)
    assert list(stages) == ["submit", "render", "infer", "seal"]
    assert all(wall > 0 and cpu > 0 for wall, cpu in stages.values())
    journal = open_journal(tmp_path, ports=make_ports(), shard=1)
    jobs = await journal.list_jobs(JobQuery("default", limit=1000))
    assert [job.status for job in jobs] == [Status.COMPLETED] * 300
    assert await journal.unsealed(1) == []
    journal.close()
