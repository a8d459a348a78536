"""Scaling by queue depth beside Ray Serve's own two policies: time to drain, replica-seconds, work lost.

First the policies themselves, in Serve's autoscaling code, in simulated time (`scaling_model.py`); then on a real Ray
(`scaling_cluster.py`). All have the same bounds and delays, and aim at one call or message for each slot; the rest is
Serve's defaults.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from ray.serve.async_inference_autoscaling_policy import AsyncInferenceAutoscalingPolicy
from ray.serve.autoscaling_policy import _core_replica_queue_length_policy
from ray.serve.config import AutoscalingConfig

from actors.journal.protocol import Depth
from benchmarks.scaling_cluster import OURS, measure
from benchmarks.scaling_model import Deployment, Job, Way
from configs.settings import Replicas
from deployments.autoscaling import QueueDepthPolicy, scaling_options

SLOTS = 8
START_S = 10.0  # of a replica
DRAIN_S = 30.0  # the default of our services
HORIZON_S = 1200.0
QUEUE = "queue"
SETTINGS = Replicas(least=0, most=8, upscale_delay_s=2.0, downscale_delay_s=30.0, downscale_to_zero_delay_s=60.0)


class Side(NamedTuple):
    """A policy on its way of handing work out."""

    way: Way
    policy: Callable[[Deployment], Any]
    config: AutoscalingConfig


class ModelNews:
    """What the journal of a simulated deployment says."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    async def depths(self) -> Mapping[str, Depth]:
        """The work of the one topic."""
        held = [r for r in self._deployment.replicas if r.running]
        claimed = sum(len(replica.running) for replica in held)
        holders = tuple(replica.id.to_full_id_str() for replica in held)
        finished = self._deployment.finished
        return {QUEUE: Depth(len(self._deployment.waiting), claimed, 0, 0.0, len(held), finished, holders)}

    async def starts_fail(self, app: str, deployment: str) -> bool:  # noqa: ARG002 - as `News` has it
        """None does."""
        return False


class ModelBroker:
    """What a Redis would say: messages that no worker has fetched."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    async def queues(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """By name."""
        return [{"name": name, "messages": len(self._deployment.waiting)} for name in names]


def queue_depth(deployment: Deployment) -> QueueDepthPolicy:
    """Ours, as `scaling_options` has Serve make it."""
    kwargs = scaling_options({QUEUE: SLOTS}, SETTINGS)["autoscaling_config"]["policy"]["policy_kwargs"]
    return QueueDepthPolicy(**kwargs, news=ModelNews(deployment))


def async_inference(deployment: Deployment) -> AsyncInferenceAutoscalingPolicy:
    """Serve's, on a broker that answers at once."""
    policy = AsyncInferenceAutoscalingPolicy("redis://model", QUEUE)
    policy._broker = ModelBroker(deployment)  # noqa: SLF001 - it would make a Redis client
    return policy


def sides() -> dict[str, Side]:
    """Everybody, by name."""
    ours = AutoscalingConfig.model_validate(scaling_options({QUEUE: SLOTS}, SETTINGS)["autoscaling_config"])
    theirs = AutoscalingConfig(
        min_replicas=SETTINGS.least,
        max_replicas=SETTINGS.most,
        upscale_delay_s=SETTINGS.upscale_delay_s,
        downscale_delay_s=SETTINGS.downscale_delay_s,
        downscale_to_zero_delay_s=SETTINGS.downscale_to_zero_delay_s,
        target_ongoing_requests=SLOTS,
    )
    calls = Way(calls=True, at_once=True, held=1, grace_s=20.0, hands_over=False)
    # Workers fetch four times their slots, and `stop_consumer` waits 10 s.
    celery = Way(calls=False, at_once=False, held=4, grace_s=10.0, hands_over=False)
    pull = Way(calls=False, at_once=True, held=1, grace_s=DRAIN_S, hands_over=True)
    return {
        OURS: Side(pull, queue_depth, ours),
        "serve_requests": Side(calls, lambda _: _core_replica_queue_length_policy, theirs),
        "serve_async_inference": Side(celery, async_inference, theirs),
    }


def evenly(start: float, end: float, per_s: float, length_s: float) -> Iterator[Job]:
    """Jobs at a constant rate."""
    for number in range(round((end - start) * per_s)):
        yield Job(start + number / per_s, length_s)


def loads() -> dict[str, Callable[[], list[Job]]]:
    """What is to be done, by name. A replica does two jobs of 4 s a second."""
    return {
        "burst_10x": lambda: [*evenly(10, 130, 1.2, 4), *evenly(100, 130, 20, 4)],
        "sawtooth": lambda: list(chain(*(evenly(t, t + 20, 12, 4) for t in range(10, 500, 60)))),
        "zero_burst_zero": lambda: list(evenly(60, 61, 400, 4)),
        "long_jobs": lambda: [*evenly(10, 20, 10, 30), *evenly(20, 400, 0.2, 30)],
    }


async def simulate(side: Side, jobs: list[Job]) -> dict[str, Any]:
    """One policy under one load."""
    deployment = Deployment(side.way, slots=SLOTS, start_s=START_S, jobs=jobs)
    await deployment.run(side.policy(deployment), side.config, HORIZON_S)
    ended = [job for job in jobs if job.ended_at is not None]
    times = sorted(job.ended_at - deployment.epoch - job.arrives_at for job in ended if job.ended_at is not None)
    last = max(job.ended_at - deployment.epoch for job in ended if job.ended_at is not None)
    return {
        "jobs": len(jobs),
        "lost": deployment.lost,
        "unfinished": len(jobs) - len(ended) - deployment.lost,
        "moved": deployment.moved,
        "drained_s": round(last - max(job.arrives_at for job in jobs), 1),
        "p50_s": round(times[len(times) // 2], 1),
        "p95_s": round(times[int(len(times) * 0.95)], 1),
        "replica_s": round(deployment.replica_s),
        "turns": deployment.turns,
    }


async def model() -> dict[str, dict[str, Any]]:
    """Every policy under every load."""
    results: dict[str, dict[str, Any]] = {}
    for load, jobs in loads().items():
        for name, side in sides().items():
            results.setdefault(load, {})[name] = await simulate(side, jobs())
            print(f"{load:16}{name:22}{results[load][name]}", flush=True)
    return results


def main() -> None:
    """Print every run, then the results."""
    logging.disable(logging.WARNING)
    simulated = asyncio.run(model())
    print(json.dumps({"model": simulated, "real": measure()}))


if __name__ == "__main__":
    main()
