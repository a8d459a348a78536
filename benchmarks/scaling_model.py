"""A deployment in simulated time, scaled by real policies in Serve's own autoscaling code, ten times a second.

Ours is the model of replicas, jobs and queues around it; how each way of handing work out is modelled, `Way` says. A
job takes its time however many run beside it. Serve stops the newest replicas first, and those that start before them.
"""

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import ray.serve._private.autoscaling_state as serve_state
from ray.serve import autoscaling_policy
from ray.serve._private.common import (
    RUNNING_REQUESTS_KEY,
    DeploymentHandleSource,
    DeploymentID,
    HandleMetricReport,
    ReplicaID,
    TimeStampedValue,
)
from ray.serve.config import AutoscalingConfig

TICK_S = 0.1  # of Serve's control loop
DRAIN_LOOP_S = 2.0  # graceful_shutdown_wait_loop_s: before it Serve tells a replica nothing
RECORD_S, PUSH_S = 2.0, 10.0  # of a handle's figures, Serve's defaults
HANDLE = "handle"
DEPLOYMENT = DeploymentID("model", "model")


class Way(NamedTuple):
    """How work reaches replicas, and what becomes of it where one leaves."""

    calls: bool  # Serve's handles count it
    at_once: bool  # a leaving replica gets nothing, else it takes more for as long as Serve does not tell it
    held: float  # by a replica, in slots; what is more than its slots waits there
    grace_s: float  # in which a leaving replica may finish, once it knows
    hands_over: bool  # what it has not finished goes on elsewhere, else it is lost


@dataclass(eq=False)
class Job:
    """One job."""

    arrives_at: float
    left_s: float
    ends_at: float = 0.0  # while it runs
    ended_at: float | None = None


@dataclass(eq=False)
class Replica:
    """One replica."""

    id: ReplicaID
    ready_at: float
    told_at: float | None = None  # to leave
    running: list[Job] = field(default_factory=list)
    fetched: deque[Job] = field(default_factory=deque)


class Clock:
    """Stands for the module `time`."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def time(self) -> float:
        """Unix seconds."""
        return self.now

    monotonic = time


@contextmanager
def clocked(clock: Clock, *names: dict[str, Any]) -> Iterator[None]:
    """These globals of modules that have imported `time` name this clock."""
    before = [each["time"] for each in names]
    try:
        for each in names:
            each["time"] = clock
        yield
    finally:
        for each, time in zip(names, before, strict=True):
            each["time"] = time


class Deployment:
    """One run.

    `lost` jobs have no result and never will, `moved` ones changed their replica in between; `turns` counts changes of
    the target that go against the one before.
    """

    def __init__(self, way: Way, *, slots: int, start_s: float, jobs: Sequence[Job]) -> None:
        self.way = way
        self.slots = slots
        self.clock = Clock()
        self.epoch = self.clock.now
        self.waiting: deque[Job] = deque()
        self.replicas: list[Replica] = []
        self.finished = self.lost = self.moved = self.turns = 0
        self.replica_s = 0.0
        self.target = 0
        self._rising = True
        self._start_s = start_s
        self._arrivals = deque(sorted(jobs, key=lambda job: job.arrives_at))
        self.replicas_started = 0
        self._state: Any = None
        self._config = AutoscalingConfig()
        self._queued: list[TimeStampedValue] = []
        self._open: dict[str, list[TimeStampedValue]] = {}
        self._pushed_at = self._recorded_at = 0.0

    async def run(self, policy: Callable[..., Any], config: AutoscalingConfig, horizon_s: float) -> None:
        """Until the horizon."""
        self._config = config
        self._state = serve_state.DeploymentAutoscalingState(DEPLOYMENT)
        self._state._config = config  # noqa: SLF001 - the public way would make the policy itself
        self._state._policy = autoscaling_policy._apply_autoscaling_config(policy)  # noqa: SLF001 - as above
        # Serve pickles a policy's class by value; unpickling gives the class methods with globals of their own.
        own = policy if inspect.isfunction(policy) else type(policy).__call__
        with clocked(self.clock, vars(serve_state), vars(autoscaling_policy), own.__globals__):
            for tick in range(int(horizon_s / TICK_S)):
                self.clock.now = self.epoch + tick * TICK_S
                self._work()
                if self.way.calls:
                    self._report()
                await self._scale()

    def active(self) -> list[Replica]:
        """Those that were not told to leave, the oldest first."""
        return [replica for replica in self.replicas if replica.told_at is None]

    def ready(self) -> list[Replica]:
        """Those of them that run."""
        return [replica for replica in self.active() if replica.ready_at <= self.clock.now]

    def _work(self) -> None:
        now = self.clock.now
        while self._arrivals and self.epoch + self._arrivals[0].arrives_at <= now:
            self.waiting.append(self._arrivals.popleft())
        for replica in self.replicas:
            self._finish(replica)
            if replica.told_at is not None:
                self._leave(replica, replica.told_at)
        self.replicas = [replica for replica in self.replicas if replica.told_at is None or self._stays(replica)]
        self._hand_out([replica for replica in self.replicas if self._takes(replica)])
        self.replica_s += len(self.replicas) * TICK_S

    def _finish(self, replica: Replica) -> None:
        done = [job for job in replica.running if job.ends_at <= self.clock.now]
        for job in done:
            job.ended_at = job.ends_at
            replica.running.remove(job)
        self.finished += len(done)

    def _leave(self, replica: Replica, told_at: float) -> None:
        now, knows_at = self.clock.now, told_at + (0.0 if self.way.at_once else DRAIN_LOOP_S)
        if now >= knows_at and replica.fetched:  # an orderly worker gives back what it has not begun
            self.waiting.extendleft(reversed(replica.fetched))
            replica.fetched.clear()
        if now < knows_at + self.way.grace_s:
            return
        if self.way.hands_over:
            for job in replica.running:
                job.left_s = job.ends_at - now
            self.waiting.extendleft(reversed(replica.running))
            self.moved += len(replica.running)
        else:
            self.lost += len(replica.running)
        replica.running.clear()

    def _stays(self, replica: Replica) -> bool:
        assert replica.told_at is not None  # noqa: S101 - for the type checker
        return bool(replica.running or replica.fetched) or self.clock.now < replica.told_at + DRAIN_LOOP_S

    def _takes(self, replica: Replica) -> bool:
        if replica.ready_at > self.clock.now:
            return False
        if replica.told_at is None:
            return True
        return not self.way.at_once and self.clock.now < replica.told_at + DRAIN_LOOP_S

    def _hand_out(self, replicas: Sequence[Replica]) -> None:
        most = int(self.way.held * self.slots)
        while self.waiting and replicas:
            least = min(replicas, key=lambda replica: len(replica.running) + len(replica.fetched))
            if len(least.running) + len(least.fetched) >= most:
                break
            least.fetched.append(self.waiting.popleft())
        for replica in replicas:
            while replica.fetched and len(replica.running) < self.slots:
                job = replica.fetched.popleft()
                job.ends_at = self.clock.now + job.left_s
                replica.running.append(job)

    async def _scale(self) -> None:
        self._state.update_running_replica_ids([replica.id for replica in self.ready()])
        target = self._state.get_decision_num_replicas(self.target)
        for _ in range(3):  # what the policy asks is answered before its next turn
            await asyncio.sleep(0)
        if target != self.target:
            self.turns += (target > self.target) != self._rising
            self._rising = target > self.target
        self.target = target
        active = self.active()
        for _ in range(target - len(active)):
            name = ReplicaID(str(self.replicas_started), DEPLOYMENT)
            self.replicas.append(Replica(name, self.clock.now + self._start_s))
            self.replicas_started += 1
        starting_first = sorted(active, key=lambda replica: replica.ready_at <= self.clock.now)
        newest = [*reversed([r for r in starting_first if r.ready_at > self.clock.now]), *reversed(self.ready())]
        for replica in newest[: len(active) - target] if len(active) > target else []:
            replica.told_at = self.clock.now

    def _report(self) -> None:
        """What Serve's handle counts, in Serve's own rhythm; at zero it speaks up at once."""
        now = self.clock.now
        if now - self._recorded_at >= RECORD_S:
            self._recorded_at = now
            self._queued.append(TimeStampedValue(now, len(self.waiting)))
            for replica in self.ready():
                point = TimeStampedValue(now, len(replica.running) + len(replica.fetched))
                self._open.setdefault(replica.id.to_full_id_str(), []).append(point)
        if now - self._pushed_at >= PUSH_S or (self.waiting and not self.target):
            self._pushed_at = now
            self._push(now)

    def _push(self, now: float) -> None:
        since = now - self._config.look_back_period_s
        if not self._queued or not self.target:
            self._queued.append(TimeStampedValue(now, len(self.waiting)))
        self._queued = [point for point in self._queued if point.timestamp >= since]
        kept = {name: [point for point in points if point.timestamp >= since] for name, points in self._open.items()}
        self._open = {name: points for name, points in kept.items() if points}
        report = HandleMetricReport(
            deployment_id=DEPLOYMENT,
            handle_id=HANDLE,
            actor_id=HANDLE,
            handle_source=DeploymentHandleSource.UNKNOWN,
            queued_requests=list(self._queued),
            metrics={RUNNING_REQUESTS_KEY: {name: list(points) for name, points in self._open.items()}},
            timestamp=now,
        )
        self._state.record_request_metrics_for_handle(report)
