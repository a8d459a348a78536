"""Serve's autoscaling policy for replicas that pull: by the work that waits, from zero to the most in one step.

Serve's controller makes one policy per deployment and calls it on its event loop ten times a second, for all
applications in turn. So a call neither waits nor raises: it answers from the last depth that it heard and, once
a second, starts one poll of the journals. `demand.py` decides; Serve applies the bounds, and the delays but for that of
scaling down, which starts from what was needed last, not from what was asked of Serve.
"""

import asyncio
import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ray import serve
from ray.serve.schema import DeploymentStatus

from actors.journal.protocol import Depth
from actors.remote_depths import RemoteDepths
from configs.settings import Replicas
from deployments.demand import Governor, Pace, Work, needed_replicas

log = logging.getLogger("heliograph")
POLL_S = 1.0
TIMEOUT_S = 5.0
STALE_S = 10.0  # of silence, after which the depth says nothing about now
CALLS = 2  # to an encoder's replica: one that is read, and one that waits


class Scale(Protocol):
    """What is read of Serve's AutoscalingContext."""

    app_name: str
    deployment_name: str
    running_replicas: Sequence[Any]  # ReplicaID, oldest first
    target_num_replicas: int
    capacity_adjusted_max_replicas: int
    total_num_requests: float  # direct ones, running or waiting for a replica


class News(Protocol):
    """Whom a policy asks. Either call may raise anything."""

    async def depths(self) -> Mapping[str, Depth]:
        """The work of every topic."""

    async def starts_fail(self, app: str, deployment: str) -> bool | None:
        """Whether replicas crash at their start, which a policy's context does not tell; None: not known yet."""


class RayNews:
    """The news of the cluster that this process is part of."""

    def __init__(self) -> None:
        self._shards: RemoteDepths | None = None

    async def depths(self) -> Mapping[str, Depth]:
        """What all shards say together."""
        self._shards = self._shards or RemoteDepths()
        try:
            return await self._shards.ask()
        except BaseException:
            self._shards = None  # one may have a successor
            raise

    async def starts_fail(self, app: str, deployment: str) -> bool | None:
        """What Serve says. It counts crashes until the deployment is healthy: at zero, when the last has ended."""
        status = (await asyncio.to_thread(serve.status)).applications[app].deployments[deployment]
        if "failed to start" in status.message:
            return True
        return False if status.status is DeploymentStatus.HEALTHY else None


def scaling_options(slots: Mapping[str, int], replicas: Replicas) -> dict[str, Any]:
    """The deployment options of workers; `slots` of one replica, by topic."""
    kwargs = {
        "slots": dict(slots),
        "backlog_s": replicas.backlog_s,
        "down_s": replicas.downscale_delay_s,
        "finish_s": replicas.finish_s,
    }
    policy = {"policy_function": f"{__name__}:{QueueDepthPolicy.__name__}", "policy_kwargs": kwargs}
    return _options(replicas, downscale_delay_s=0.0, policy=policy)


def call_scaling_options(replicas: Replicas) -> dict[str, Any]:
    """The deployment options of services that are only called: Serve's own policy, by the calls that are open."""
    return _options(replicas, downscale_delay_s=replicas.downscale_delay_s, target_ongoing_requests=CALLS)


def _options(replicas: Replicas, **more: Any) -> dict[str, Any]:
    if replicas.least == replicas.most:
        return {"num_replicas": replicas.most}
    scaling = {
        "min_replicas": replicas.least,
        "max_replicas": replicas.most,
        "upscale_delay_s": replicas.upscale_delay_s,
        "downscale_to_zero_delay_s": replicas.downscale_to_zero_delay_s,
        **more,
    }
    return {"autoscaling_config": scaling}


class QueueDepthPolicy:
    """Serve's autoscaling policy for workers that pull from one topic or more.

    Args:
        slots: Steps that one replica works on at once, by topic. Direct requests take those of the first.
        backlog_s: Seconds in which what waits should be done.
        down_s: Seconds without need of a replica after which it may go.
        finish_s: Seconds for which one that holds work keeps its place nevertheless.
    """

    def __init__(
        self, *, slots: Mapping[str, int], backlog_s: float, down_s: float, finish_s: float, news: News | None = None
    ) -> None:
        self._slots = slots
        self._news = news or RayNews()
        self._backlog_s = backlog_s
        self._governor = Governor(down_s=down_s, finish_s=finish_s)
        self._paces = {topic: Pace() for topic in slots}
        self._depths: dict[str, Depth] = {}
        self._failing = False
        self._silent = False
        self._heard_at = -math.inf
        self._asked_at = -math.inf
        self._poll: asyncio.Task[None] | None = None

    def __call__(self, scale: Scale) -> tuple[int, dict[str, Any]]:
        """The number of replicas, and the state that Serve keeps for a policy (none). Never raises."""
        try:
            return self._answer(scale, time.monotonic()), {}
        except Exception:  # Serve would drop this turn of every application
            log.exception("autoscaling failed", extra={"topic": self._name})
            return scale.target_num_replicas, {}

    @property
    def _name(self) -> str:
        return next(iter(self._slots))

    def _answer(self, scale: Scale, now: float) -> int:
        self._ask(scale, now)
        if now - self._heard_at > STALE_S:
            self._governor.forget()
            return scale.target_num_replicas
        works = [Work(self._depths[topic], self._slots[topic], self._paces[topic].step_s) for topic in self._depths]
        direct = scale.total_num_requests / self._slots[self._name]
        return self._governor.target(
            min(needed_replicas(works, direct=direct, backlog_s=self._backlog_s), scale.capacity_adjusted_max_replicas),
            target=scale.target_num_replicas,
            running=[replica.to_full_id_str() for replica in scale.running_replicas],
            holders={holder for depth in self._depths.values() for holder in depth.holders},
            failing=self._failing,
            now=now,
        )

    def _ask(self, scale: Scale, now: float) -> None:
        """Start a poll when it is time. One short task at a time: a dropped policy leaves no loop behind."""
        if now - self._asked_at >= POLL_S and (self._poll is None or self._poll.done()):
            self._asked_at = now
            self._poll = asyncio.get_running_loop().create_task(self._hear(scale))

    async def _hear(self, scale: Scale) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                self._take_in(await self._news.depths(), time.monotonic())
                self._failing = await self._starts_fail(scale)
        except Exception as error:  # noqa: BLE001 - no news: the target stays
            if not self._silent:  # said once: there is none before the journal's first start
                log.warning("no news to scale by", extra={"topic": self._name, "error": type(error).__name__})
            self._silent = True
        else:
            self._silent = False

    async def _starts_fail(self, scale: Scale) -> bool:
        """Once they do, until all that are wanted run, or Serve has forgotten it at zero."""
        missing = scale.target_num_replicas - len(scale.running_replicas)
        if missing <= 0 and (scale.target_num_replicas or not self._failing):
            return False
        said = await self._news.starts_fail(scale.app_name, scale.deployment_name)
        return self._failing if said is None else said

    def _take_in(self, depths: Mapping[str, Depth], now: float) -> None:
        self._depths = {topic: depths[topic] for topic in self._slots if topic in depths}
        self._heard_at = now
        for topic, depth in self._depths.items():
            self._paces[topic].hear(depth, now)
