import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.journal.protocol import Depth
from deployments.demand import Governor, Pace, Work, needed_replicas

SLOTS = 4
counts = st.integers(0, 100_000)


def work(ready: int = 0, claimed: int = 0, *, slots: int = SLOTS, step_s: float | None = None) -> Work:
    return Work(Depth(ready, claimed, 0, 0.0, 1), slots, step_s)


def needed(*works: Work, direct: float = 0.0, backlog_s: float = 10.0) -> int:
    return needed_replicas(works, direct=direct, backlog_s=backlog_s)


def heard(*samples: tuple[float, int, int]) -> float | None:
    """The pace after (time, claimed, finished)."""
    pace = Pace()
    for now, claimed, finished in samples:
        pace.hear(Depth(0, claimed, 0, 0.0, 1, finished), now)
    return pace.step_s


@pytest.mark.parametrize(
    ("ready", "claimed", "direct", "expected"),
    [
        (0, 0, 0.0, 0),
        (1, 0, 0.0, 1),
        (0, 1, 0.0, 1),
        (0, 0, 0.05, 1),
        (4, 0, 0.0, 1),
        (3, 2, 0.0, 2),
        (2, 2, 0.25, 2),
        (1000, 0, 0.0, 250),
    ],
)
def test_before_a_step_has_ended_all_work_has_a_slot(ready: int, claimed: int, direct: float, expected: int) -> None:
    assert needed(work(ready, claimed), direct=direct) == expected


@pytest.mark.parametrize(
    ("ready", "claimed", "step_s", "expected"),
    [
        (1000, 0, 1.0, 25),  # a replica does 40 in the time
        (1000, 0, 0.001, 1),
        (1, 0, 0.0, 1),  # those before ended between two polls
        (1000, 0, 20.0, 250),  # none could do two after each other
        (0, 8, 1.0, 2),  # what is claimed keeps its slots
        (72, 8, 1.0, 2),
        (73, 8, 1.0, 3),
    ],
)
def test_what_waits_is_done_within_the_time(ready: int, claimed: int, step_s: float, expected: int) -> None:
    assert needed(work(ready, claimed, step_s=step_s)) == expected


def test_topics_share_a_replica() -> None:
    assert needed(work(2), work(2)) == 1
    assert needed(work(1), work(128, slots=256)) == 1
    assert needed(work(4), work(1, slots=256)) == 2


@given(counts, counts, st.integers(1, 256), st.floats(0.0, 1000.0))
def test_claimed_work_has_slots_and_no_replica_has_nothing_to_do(
    ready: int, claimed: int, slots: int, step_s: float
) -> None:
    wanted = needed(work(ready, claimed, slots=slots, step_s=step_s))
    assert wanted * slots >= claimed
    assert wanted == 0 or (wanted - 1) * slots < ready + claimed
    assert (wanted == 0) == (ready + claimed == 0)


def test_a_pace_is_known_once_a_step_has_ended() -> None:
    assert heard((0, 4, 0), (10, 4, 0)) is None
    assert heard((0, 4, 0), (1, 4, 2)) == 2.0
    assert heard((0, 64, 0), (1, 64, 6400)) == 0.01


def test_a_pace_follows_the_work() -> None:
    quick = [(float(second), 4, 40 * second) for second in range(100)]
    slow = [(100.0 + second, 4, 3960 + second) for second in range(2000)]
    assert heard(*quick) == pytest.approx(0.1)
    assert heard(*quick, *slow) == pytest.approx(4.0, rel=0.1)


def test_a_pace_outlasts_silence_and_a_new_start_of_the_journal() -> None:
    busy = [(float(second), 4, 2 * second) for second in range(10)]
    silence = [(10.0 + second, 0, 18) for second in range(10_000)]
    assert heard(*busy, (9.5, 0, 18), *silence) == pytest.approx(2.0, rel=0.1)
    assert heard(*busy, (10, 4, 0), (11, 4, 2)) == pytest.approx(2.0)


class Deployment:
    """The governor's deployment: who is asked for is there at once; the newest go first."""

    def __init__(self, *, down_s: float = 10.0, finish_s: float = 60.0, target: int = 0) -> None:
        self.governor = Governor(down_s=down_s, finish_s=finish_s)
        self.target = target
        self.now = 0.0
        self.targets = [target]

    def at(self, now: float, need: int, holders: str = "", *, failing: bool = False, running: int | None = None) -> int:
        ids = "abcdefgh"[: self.target if running is None else running]
        self.target = self.governor.target(
            need, target=self.target, running=ids, holders=set(holders), failing=failing, now=now
        )
        self.targets.append(self.target)
        return self.target


def test_the_target_rises_at_once_and_falls_when_nothing_needed_more_for_a_while() -> None:
    deployment = Deployment()
    assert deployment.at(0, 0) == 0
    assert deployment.at(1, 8) == 8
    assert deployment.at(2, 1) == 8
    assert deployment.at(11, 2) == 8
    assert deployment.at(11.1, 1) == 2
    assert deployment.at(22, 1) == 1


def test_a_sawtooth_that_is_quicker_than_the_delay_changes_nothing() -> None:
    deployment = Deployment(down_s=30.0)
    for second, need in enumerate(itertools.islice(itertools.cycle([8] * 10 + [0] * 20), 300)):
        deployment.at(second, need)
    assert deployment.targets[1:] == [8] * 300


def test_a_slow_sawtooth_makes_one_rise_and_one_fall_each_time() -> None:
    deployment = Deployment(down_s=10.0)
    for second, need in enumerate([*[8] * 30, *[1] * 30] * 5):
        deployment.at(second, need)
    changes = [number for number, _ in itertools.groupby(deployment.targets)]
    assert changes == [0, *[8, 1] * 5]


def test_a_new_controller_keeps_the_target_for_a_delay() -> None:
    deployment = Deployment(target=5)
    assert deployment.at(0, 0) == 5
    assert deployment.at(10, 0) == 5
    assert deployment.at(10.1, 0) == 0


def test_after_a_time_without_news_the_target_is_kept_for_a_delay() -> None:
    deployment = Deployment(target=5)
    deployment.at(0, 5)
    deployment.governor.forget()
    assert deployment.at(100, 1) == 5
    assert deployment.at(110.1, 1) == 1


def test_a_surplus_stays_while_one_that_would_go_holds_work() -> None:
    deployment = Deployment(target=4, down_s=0.0)
    assert deployment.at(1, 1, "ac") == 4
    assert deployment.at(2, 1, "ac") == 3
    assert deployment.at(3, 1, "a") == 1


def test_holders_that_are_no_running_replicas_keep_nothing() -> None:
    deployment = Deployment(target=4, down_s=0.0)
    deployment.at(1, 1, "z")
    assert deployment.at(2, 1, "z") == 1


def test_work_that_never_ends_keeps_a_surplus_only_so_long() -> None:
    deployment = Deployment(target=4, down_s=0.0)
    assert deployment.at(1, 1, "abcd") == 4
    assert deployment.at(2, 1, "abcd") == 4
    assert deployment.at(61.9, 1, "abcd") == 4
    assert deployment.at(62, 1, "abcd") == 1
    assert deployment.at(63, 3, "abcd") == 3
    assert deployment.at(64, 1, "abc") == 3  # a surplus of its own


def test_replicas_that_crash_at_their_start_do_not_multiply() -> None:
    deployment = Deployment(target=0)
    assert deployment.at(1, 8) == 8
    assert deployment.at(2, 8, failing=True, running=2) == 3
    assert deployment.at(3, 8, failing=True, running=2) == 3
    assert deployment.at(4, 8, running=3) == 8


def test_where_none_starts_the_target_is_zero_so_that_serve_tries_again() -> None:
    deployment = Deployment(target=0)
    assert deployment.at(1, 8) == 8
    assert deployment.at(2, 8, failing=True, running=0) == 0
    assert deployment.at(3, 8, running=0) == 8
