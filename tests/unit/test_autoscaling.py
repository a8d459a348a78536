import asyncio
import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.serve.config import AutoscalingConfig

from actors.journal.protocol import Depth
from deployments.autoscaling import POLL_S, STALE_S, QueueDepthPolicy, scaling_options, wanted_replicas

counts = st.integers(0, 100_000)
replicas = st.integers(0, 100)


@dataclass
class Context:
    current_num_replicas: int = 1
    target_num_replicas: int = 1
    capacity_adjusted_max_replicas: int = 8
    total_num_requests: float = 0.0


class Journal:
    """Answers as all shards together."""

    def __init__(self, answer: dict[str, Depth] | Exception) -> None:
        self.answer = answer
        self.calls = 0

    async def ask(self) -> dict[str, Depth]:
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def policy_for(journal: Journal) -> QueueDepthPolicy:
    policy = QueueDepthPolicy(topics=["t", "lines"], slots=4)
    policy._journal = journal  # type: ignore[assignment]  # it answers the same question
    return policy


async def polled(policy: QueueDepthPolicy, context: Context) -> int:
    policy(context)
    assert policy._poll is not None
    await policy._poll
    return policy(context)[0]


def depth(ready: int = 0, claimed: int = 0) -> Depth:
    return Depth(ready, claimed, 0, 0.0, 1)


@pytest.mark.parametrize(
    ("ready", "claimed", "direct", "expected"),
    [
        (0, 0, 0, 0),
        (1, 0, 0, 1),
        (0, 1, 0, 1),
        (0, 0, 0.2, 1),
        (4, 0, 0, 1),
        (3, 2, 0, 2),
        (2, 2, 1, 2),
        (1000, 0, 0, 8),
    ],
)
def test_replicas_are_what_the_work_needs_in_one_step(ready: int, claimed: int, direct: float, expected: int) -> None:
    wanted = wanted_replicas(depth(ready, claimed), direct=direct, slots=4, running=0, target=0, most=8)
    assert wanted == expected


def test_the_target_is_not_lowered_while_replicas_start() -> None:
    assert wanted_replicas(depth(1), direct=0, slots=4, running=1, target=3, most=8) == 3
    assert wanted_replicas(depth(1), direct=0, slots=4, running=3, target=3, most=8) == 1


@given(counts, counts, st.integers(1, 256), replicas, replicas, replicas)
def test_the_answer_is_enough_and_never_above_the_most(
    ready: int, claimed: int, slots: int, running: int, target: int, most: int
) -> None:
    wanted = wanted_replicas(depth(ready, claimed), direct=0, slots=slots, running=running, target=target, most=most)
    assert wanted == most or wanted * slots >= ready + claimed
    assert 0 <= wanted <= most


@given(counts, counts, st.integers(1, 256), replicas)
def test_with_everything_running_there_is_no_replica_to_spare(
    ready: int, claimed: int, slots: int, target: int
) -> None:
    wanted = wanted_replicas(depth(ready, claimed), direct=0, slots=slots, running=target, target=target, most=100_000)
    assert wanted == 0 or (wanted - 1) * slots < ready + claimed


async def test_before_the_first_answer_the_target_stays() -> None:
    assert policy_for(Journal({}))(Context(target_num_replicas=5)) == (5, {})


async def test_the_journals_answer_decides() -> None:
    assert await polled(policy_for(Journal({"t": depth(5, 4)})), Context()) == 3
    assert await polled(policy_for(Journal({"t": depth(5, 4)})), Context(total_num_requests=4)) == 4


async def test_the_work_of_all_topics_counts() -> None:
    assert await polled(policy_for(Journal({"t": depth(5, 4), "lines": depth(8), "other": depth(9)})), Context()) == 5


async def test_a_topic_that_the_journal_does_not_know_has_no_work() -> None:
    assert await polled(policy_for(Journal({"other": depth(5)})), Context()) == 0


async def test_a_journal_that_fails_leaves_the_target() -> None:
    policy = policy_for(Journal(RuntimeError("gone")))
    assert await polled(policy, Context(target_num_replicas=2)) == 2
    assert policy._journal is None  # looked up anew at the next poll


async def test_an_old_answer_leaves_the_target() -> None:
    policy = policy_for(Journal({"t": depth(1)}))
    assert await polled(policy, Context(2, 2)) == 1
    policy._heard_at -= STALE_S + 1
    assert policy(Context(2, 2))[0] == 2


async def test_ten_calls_in_a_row_make_one_poll() -> None:
    journal = Journal({"t": depth(1)})
    policy = policy_for(journal)
    for _ in range(10):
        policy(Context())
        await asyncio.sleep(0)
    assert journal.calls == 1


async def test_after_the_interval_it_polls_again() -> None:
    journal = Journal({"t": depth(1)})
    policy = policy_for(journal)
    await polled(policy, Context())
    policy._asked_at -= POLL_S
    await polled(policy, Context())
    assert journal.calls == 2


def test_outside_of_an_event_loop_it_keeps_the_target_rather_than_raise() -> None:
    policy = QueueDepthPolicy(topics=["t", "lines"], slots=4)
    assert policy(Context(target_num_replicas=3)) == (3, {})
    assert policy._heard_at == -math.inf


DELAYS = {"upscale_delay_s": 1.0, "downscale_delay_s": 2.0, "downscale_to_zero_delay_s": 3.0}


def test_serve_makes_the_policy_from_the_options_of_the_deployment() -> None:
    options = scaling_options(topics=["t"], slots=4, least=0, most=3, **DELAYS)
    scaling = AutoscalingConfig.model_validate(options["autoscaling_config"])
    policy = scaling.policy.get_policy()(**scaling.policy.policy_kwargs)
    assert isinstance(policy, QueueDepthPolicy)
    assert policy(Context(target_num_replicas=3)) == (3, {})
    assert (scaling.min_replicas, scaling.max_replicas, scaling.downscale_to_zero_delay_s) == (0, 3, 3.0)


def test_a_fixed_number_of_replicas_needs_no_policy() -> None:
    assert scaling_options(topics=["t"], slots=4, least=2, most=2, **DELAYS) == {"num_replicas": 2}
