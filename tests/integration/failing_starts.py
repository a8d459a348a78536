"""A deployment whose replicas crash at their start until a file is there, scaled by our policy on made up news."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray import serve
from ray.serve import Application

from actors.journal.protocol import Depth
from configs.settings import Replicas
from deployments.autoscaling import QueueDepthPolicy, RayNews, scaling_options

TOPIC = "t"
MOST = 3
SETTINGS = Replicas(least=0, most=MOST, downscale_delay_s=1.0, downscale_to_zero_delay_s=1.0)


class MuchWork(RayNews):
    """Work for more replicas than there may be, and the truth about their starts."""

    async def depths(self) -> Mapping[str, Depth]:
        return {TOPIC: Depth(100, 0, 0, 0.0, 0)}


class Policy(QueueDepthPolicy):
    """Ours, with these news."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, news=MuchWork())


class Fragile:
    """Starts only where the file is."""

    def __init__(self, needed: Path) -> None:
        needed.read_text()


def application(name: str, needed: Path) -> Application:
    """The application, whose deployment has the same name."""
    options = scaling_options({TOPIC: 1}, SETTINGS)
    options["autoscaling_config"]["policy"]["policy_function"] = f"{__name__}:{Policy.__name__}"
    return serve.deployment(Fragile, name=name, ray_actor_options={"num_cpus": 0.1}, **options).bind(needed)
