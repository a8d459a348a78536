"""Our policy in Serve's own autoscaling code, in simulated time."""

import asyncio
from collections.abc import Iterable, Mapping
from itertools import chain

from ray.serve.config import AutoscalingConfig

from actors.journal.protocol import Depth
from benchmarks.scaling_model import Deployment, Job, Way
from configs.settings import Replicas
from deployments.autoscaling import QueueDepthPolicy, scaling_options

SLOTS = 8
TOPIC = "t"
SETTINGS = Replicas(least=0, most=8, downscale_delay_s=30.0, downscale_to_zero_delay_s=60.0)
PULLS = Way(calls=False, at_once=True, held=1, grace_s=0.0, hands_over=True)


class News:
    """What a journal would say of a deployment; nothing within a time that it does not answer in."""

    def __init__(self, deployment: Deployment, silent: range = range(0)) -> None:
        self.deployment = deployment
        self.silent = silent

    async def depths(self) -> Mapping[str, Depth]:
        deployment = self.deployment
        if int(deployment.clock.now - deployment.epoch) in self.silent:
            raise TimeoutError
        busy = [replica for replica in deployment.replicas if replica.running]
        claimed = sum(len(replica.running) for replica in busy)
        holders = tuple(replica.id.to_full_id_str() for replica in busy)
        return {TOPIC: Depth(len(deployment.waiting), claimed, 0, 0.0, len(busy), deployment.finished, holders)}

    async def starts_fail(self, app: str, deployment: str) -> bool | None:
        assert app
        assert deployment
        return False


def run(jobs: Iterable[Job], *, seconds: float, silent: range = range(0), start_s: float = 5.0) -> Deployment:
    deployment = Deployment(PULLS, slots=SLOTS, start_s=start_s, jobs=list(jobs))
    scaling = AutoscalingConfig.model_validate(scaling_options({TOPIC: SLOTS}, SETTINGS)["autoscaling_config"])
    policy = QueueDepthPolicy(**scaling.policy.policy_kwargs, news=News(deployment, silent))
    asyncio.run(deployment.run(policy, scaling, seconds))
    return deployment


def burst(at: float, number: int, seconds: float) -> list[Job]:
    return [Job(at, seconds) for _ in range(number)]


def test_a_burst_from_zero_is_met_in_one_step_and_leaves_nothing_behind() -> None:
    deployment = run(burst(5, 100, 4), seconds=200)
    assert (deployment.finished, deployment.lost, deployment.moved, deployment.target) == (100, 0, 0, 0)
    assert deployment.turns == 1
    assert deployment.replicas_started == 8


def test_a_sawtooth_quicker_than_the_delay_never_stops_a_replica() -> None:
    teeth = chain.from_iterable(burst(at, 40, 4) for at in range(5, 200, 20))
    deployment = run(teeth, seconds=200)
    assert (deployment.turns, deployment.moved) == (0, 0)


def test_jobs_that_run_while_the_number_falls_are_neither_lost_nor_moved() -> None:
    deployment = run([*burst(5, 60, 4), *burst(12, 40, 40)], seconds=300)
    assert (deployment.finished, deployment.lost, deployment.moved, deployment.target) == (100, 0, 0, 0)


def test_a_journal_that_is_silent_while_work_runs_stops_no_replica() -> None:
    deployment = run(burst(5, 64, 20), seconds=160, silent=range(20, 130))
    assert (deployment.finished, deployment.target) == (64, 8)


def test_a_slow_start_makes_no_replica_stop_before_it_has_begun() -> None:
    deployment = run(burst(5, 100, 4), seconds=300, start_s=100.0)
    assert (deployment.turns, deployment.finished, deployment.replicas_started) == (1, 100, 8)
