import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import ValidationError
from ray.serve._private.common import DeploymentID, ReplicaID
from ray.serve.config import AutoscalingConfig

from actors.journal.protocol import Depth
from configs.settings import (
    BatchingSettings,
    EncoderSettings,
    InferenceSettings,
    PromptingSettings,
    Replicas,
    StandingReplicas,
)
from deployments import serving, serving_batches, serving_encoders
from deployments.autoscaling import POLL_S, STALE_S, QueueDepthPolicy, call_scaling_options, scaling_options
from deployments.serving_synchronous import called_options
from pipelines.steps import BATCHING_TOPIC, EMBEDDING_TOPIC, PROMPTING_TOPIC, inference_topic, line_topic

SETTINGS = Replicas(least=0, most=3, downscale_delay_s=2.0)


def replicas(number: int) -> list[ReplicaID]:
    return [ReplicaID(str(place), DeploymentID("inference", "inference.t")) for place in range(number)]


@dataclass
class Context:
    target_num_replicas: int = 1
    running_replicas: Sequence[ReplicaID] = field(default_factory=lambda: replicas(1))
    capacity_adjusted_max_replicas: int = 8
    total_num_requests: float = 0.0
    app_name: str = "inference.t"
    deployment_name: str = "inference"


class Cluster:
    """The news of a cluster."""

    def __init__(self, answer: dict[str, Depth] | Exception, *, failing: bool | None = False) -> None:
        self.answer = answer
        self.failing = failing
        self.calls = 0

    async def depths(self) -> dict[str, Depth]:
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def starts_fail(self, app: str, deployment: str) -> bool | None:
        assert (app, deployment) == ("inference.t", "inference")
        return self.failing


def policy_for(cluster: Cluster) -> QueueDepthPolicy:
    """What was needed at its call before does not count."""
    slots = {"t": 4, "lines": 4}
    return QueueDepthPolicy(slots=slots, backlog_s=30.0, down_s=0.0, finish_s=60.0, news=cluster)


async def polled(policy: QueueDepthPolicy, context: Context) -> int:
    policy(context)
    assert policy._poll is not None
    await policy._poll
    return policy(context)[0]


def depth(ready: int = 0, claimed: int = 0, holders: tuple[str, ...] = ()) -> Depth:
    return Depth(ready, claimed, 0, 0.0, 1, 0, holders)


async def test_before_the_first_answer_the_target_stays() -> None:
    assert policy_for(Cluster({}))(Context(target_num_replicas=5)) == (5, {})


async def test_the_journals_answer_decides_in_one_step() -> None:
    assert await polled(policy_for(Cluster({"t": depth(5, 4)})), Context()) == 3
    assert await polled(policy_for(Cluster({"t": depth(5, 4)})), Context(total_num_requests=4)) == 4
    assert await polled(policy_for(Cluster({"t": depth(500)})), Context()) == 8


async def test_the_work_of_all_topics_counts() -> None:
    assert await polled(policy_for(Cluster({"t": depth(5, 4), "lines": depth(8), "other": depth(9)})), Context()) == 5


async def test_a_topic_that_the_journal_does_not_know_has_no_work() -> None:
    policy = policy_for(Cluster({"other": depth(5)}))
    await polled(policy, Context())
    assert policy(Context())[0] == 0


async def test_the_newest_replica_that_holds_work_keeps_its_place() -> None:
    running = replicas(4)
    policy = policy_for(Cluster({"t": depth(0, 1, (running[2].to_full_id_str(),))}))
    context = Context(4, running)
    await polled(policy, context)
    assert policy(context)[0] == 3


async def test_a_journal_that_fails_leaves_the_target() -> None:
    assert await polled(policy_for(Cluster(RuntimeError("gone"))), Context(2, replicas(2))) == 2


async def test_starts_that_crash_leave_one_that_is_tried() -> None:
    cluster = Cluster({"t": depth(500)}, failing=True)
    assert await polled(policy_for(cluster), Context(8, replicas(2))) == 3
    assert await polled(policy_for(cluster), Context(2, replicas(2))) == 8  # all are there: nobody is asked


async def test_after_starts_that_crash_there_are_none_until_serve_has_forgotten_it() -> None:
    cluster = Cluster({"t": depth(500)}, failing=True)
    policy = policy_for(cluster)

    async def target_after(said: bool | None, target: int) -> int:
        cluster.failing = said
        policy._asked_at -= POLL_S
        return await polled(policy, Context(target, []))

    assert await target_after(True, 8) == 0
    assert await target_after(None, 1) == 0
    assert await target_after(None, 0) == 0
    assert await target_after(True, 0) == 0
    assert await target_after(False, 0) == 8
    assert await target_after(None, 8) == 8


async def test_an_old_answer_leaves_the_target() -> None:
    policy = policy_for(Cluster({"t": depth(1)}))
    context = Context(2, replicas(2))
    await polled(policy, context)
    assert policy(context)[0] == 1
    policy._heard_at -= STALE_S + 1
    assert policy(context)[0] == 2


async def test_ten_calls_in_a_row_make_one_poll() -> None:
    cluster = Cluster({"t": depth(1)})
    policy = policy_for(cluster)
    for _ in range(10):
        policy(Context())
        await asyncio.sleep(0)
    assert cluster.calls == 1


async def test_after_the_interval_it_polls_again() -> None:
    cluster = Cluster({"t": depth(1)})
    policy = policy_for(cluster)
    await polled(policy, Context())
    policy._asked_at -= POLL_S
    await polled(policy, Context())
    assert cluster.calls == 2


def test_outside_of_an_event_loop_it_keeps_the_target_rather_than_raise() -> None:
    policy = policy_for(Cluster({}))
    assert policy(Context(target_num_replicas=3)) == (3, {})
    assert policy._heard_at == -math.inf


def test_serve_makes_the_policy_from_the_options_of_the_deployment() -> None:
    options = scaling_options({"t": 4, "lines": 4}, SETTINGS)
    scaling = AutoscalingConfig.model_validate(options["autoscaling_config"])
    policy = scaling.policy.get_policy()(**scaling.policy.policy_kwargs)
    assert isinstance(policy, QueueDepthPolicy)
    assert policy(Context(target_num_replicas=3)) == (3, {})
    assert (scaling.min_replicas, scaling.max_replicas) == (0, 3)
    assert (scaling.downscale_delay_s, scaling.downscale_to_zero_delay_s) == (0.0, 600.0)


def test_services_that_are_only_called_have_serves_own_policy() -> None:
    scaling = AutoscalingConfig.model_validate(call_scaling_options(SETTINGS)["autoscaling_config"])
    assert scaling.policy.is_default_policy_function()
    assert (scaling.downscale_delay_s, scaling.target_ongoing_requests) == (2.0, 2)


def test_a_fixed_number_of_replicas_needs_no_policy() -> None:
    fixed = Replicas(least=2, most=2)
    assert scaling_options({"t": 4}, fixed) == {"num_replicas": 2}
    assert call_scaling_options(fixed) == {"num_replicas": 2}


def test_what_nothing_is_accepted_without_does_not_scale_to_zero() -> None:
    with pytest.raises(ValidationError):
        StandingReplicas(least=0, most=2)


def scaling_of(application: Any) -> AutoscalingConfig:
    scaling = application._bound_deployment._deployment_config.autoscaling_config
    assert isinstance(scaling, AutoscalingConfig)
    return scaling


@pytest.mark.parametrize(
    ("application", "slots"),
    [
        (
            serving.prompting(PromptingSettings(models=["scripted"], replicas=StandingReplicas(most=3))),
            {PROMPTING_TOPIC: 256},
        ),
        (
            serving_batches.batching(BatchingSettings(models=["scripted"], replicas=SETTINGS)),
            {BATCHING_TOPIC: 4, EMBEDDING_TOPIC: 256},
        ),
        (
            serving.inference(InferenceSettings(model="scripted", replicas=SETTINGS)),
            {inference_topic("scripted"): 64, line_topic("scripted"): 64},
        ),
    ],
    ids=["prompting", "batching", "inference"],
)
def test_every_service_that_pulls_scales_by_its_topics(application: Any, slots: dict[str, int]) -> None:
    scaling = scaling_of(application)
    assert scaling.policy.policy_kwargs["slots"] == slots
    assert scaling.max_replicas == 3


def test_encoders_scale_by_calls() -> None:
    settings = EncoderSettings(encoder="all-minilm-l6-v2", replicas=SETTINGS)
    assert scaling_of(serving_encoders.embedding(settings)).policy.is_default_policy_function()


def test_a_service_that_is_called_for_every_step_is_scaled_by_its_calls() -> None:
    options = called_options(InferenceSettings(model="scripted", replicas=SETTINGS))
    scaling = AutoscalingConfig.model_validate(options["autoscaling_config"])
    assert (scaling.min_replicas, scaling.max_replicas, scaling.target_ongoing_requests) == (0, 3, 64)
    assert "QueueDepthPolicy" not in scaling.policy.policy_function
    assert called_options(InferenceSettings(model="scripted"))["num_replicas"] == 1
