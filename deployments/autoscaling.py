"""How many inference replicas there should be: what waiting, claimed and direct work needs, from zero to the most.

Serve's controller makes one policy per deployment and calls it on its event loop ten times a second, for all
applications in turn. So a call neither waits nor raises: it answers from the last depth that it heard and, once
a second, starts one poll of the journal. Serve applies the delays and the bounds of the configuration.
"""

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from typing import Any, Protocol

from actors.depths import add_depths
from actors.journal.protocol import Depth
from actors.remote_depths import RemoteDepths

log = logging.getLogger("heliograph")
POLL_S = 1.0
TIMEOUT_S = 5.0
STALE_S = 10.0  # of silence, after which the depth says nothing about now


class Scale(Protocol):
    """What is read of Serve's AutoscalingContext."""

    current_num_replicas: int  # running
    target_num_replicas: int
    capacity_adjusted_max_replicas: int
    total_num_requests: float  # direct ones, running or waiting for a replica


def wanted_replicas(depth: Depth, *, direct: float, slots: int, running: int, target: int, most: int) -> int:
    """Replicas for all that is ready, claimed or direct; never fewer than the target while some of it still start."""
    needed = math.ceil((depth.ready + depth.claimed + direct) / slots)
    floor = target if running < target else 0  # lowering the target now would only stop what is about to be ready
    return min(max(needed, floor), most)


def scaling_options(
    *,
    topics: Sequence[str],
    slots: int,
    least: int,
    most: int,
    upscale_delay_s: float,
    downscale_delay_s: float,
    downscale_to_zero_delay_s: float,
) -> dict[str, Any]:
    """The deployment options of the workers of these topics; `slots` are those of one replica."""
    if least == most:
        return {"num_replicas": most}
    policy = {
        "policy_function": f"{__name__}:{QueueDepthPolicy.__name__}",
        "policy_kwargs": {"topics": list(topics), "slots": slots},
    }
    scaling = {
        "min_replicas": least,
        "max_replicas": most,
        "upscale_delay_s": upscale_delay_s,
        "downscale_delay_s": downscale_delay_s,
        "downscale_to_zero_delay_s": downscale_to_zero_delay_s,
        "policy": policy,
    }
    return {"autoscaling_config": scaling}


class QueueDepthPolicy:
    """Serve's autoscaling policy for workers that pull from one topic or more.

    Args:
        topics: Whose work is counted.
        slots: Steps that one replica works on at once.
    """

    def __init__(self, *, topics: Sequence[str], slots: int) -> None:
        self._topics = topics
        self._slots = slots
        self._depth: Depth | None = None
        self._heard_at = -math.inf
        self._asked_at = -math.inf
        self._poll: asyncio.Task[None] | None = None
        self._journal: RemoteDepths | None = None

    def __call__(self, scale: Scale) -> tuple[int, dict[str, Any]]:
        """The number of replicas, and the state that Serve keeps for a policy (none). Never raises."""
        try:
            return self._answer(scale, time.monotonic()), {}
        except Exception:  # Serve would drop this turn of every application
            log.exception("autoscaling failed", extra={"topic": self._topics[0]})
            return scale.target_num_replicas, {}

    def _answer(self, scale: Scale, now: float) -> int:
        self._ask(now)
        if self._depth is None or now - self._heard_at > STALE_S:
            return scale.target_num_replicas
        return wanted_replicas(
            self._depth,
            direct=scale.total_num_requests,
            slots=self._slots,
            running=scale.current_num_replicas,
            target=scale.target_num_replicas,
            most=scale.capacity_adjusted_max_replicas,
        )

    def _ask(self, now: float) -> None:
        """Start a poll when it is time. One short task at a time: a dropped policy leaves no loop behind."""
        if now - self._asked_at >= POLL_S and (self._poll is None or self._poll.done()):
            self._asked_at = now
            self._poll = asyncio.get_running_loop().create_task(self._hear())

    async def _hear(self) -> None:
        try:
            depths = await asyncio.wait_for(self._depths(), TIMEOUT_S)
            self._depth = add_depths([depths[topic] for topic in self._topics if topic in depths])
            self._heard_at = time.monotonic()
        except Exception as error:  # noqa: BLE001 - no journal, no news: the target stays
            self._journal = None
            log.warning("journal does not answer", extra={"topic": self._topics[0], "error": type(error).__name__})

    async def _depths(self) -> dict[str, Depth]:
        self._journal = self._journal or RemoteDepths()
        return await self._journal.ask()
