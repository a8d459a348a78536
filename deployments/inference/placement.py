"""Where an inference replica runs: the resources that Serve reserves for it.

One GPU is reserved with the replica's own actor, and Ray shows that process no other. A model spread over several
GPUs gets a placement group, in which vLLM's Ray executor finds room for its workers.
"""

from collections.abc import Mapping
from typing import Any, Protocol


class Footprint(Protocol):
    """What a model's profile says of its needs."""

    @property
    def num_cpus(self) -> float:
        """Of the replica's process."""

    @property
    def num_gpus(self) -> float:
        """Of each of vLLM's workers."""

    @property
    def engine_args(self) -> Mapping[str, Any]:
        """May spread the model over `tensor_parallel_size` times `pipeline_parallel_size` workers."""


def replica_options(profile: Footprint) -> dict[str, Any]:
    """The deployment options of a model's replicas."""
    arguments = profile.engine_args
    workers = arguments.get("tensor_parallel_size", 1) * arguments.get("pipeline_parallel_size", 1)
    if workers == 1 or profile.num_gpus == 0:
        return {"ray_actor_options": {"num_cpus": profile.num_cpus, "num_gpus": profile.num_gpus}}
    # The replica's process lives in the first bundle and leaves the GPUs to the workers.
    gpus = {"GPU": profile.num_gpus}
    return {
        "ray_actor_options": {"num_cpus": profile.num_cpus},
        "placement_group_bundles": [{"CPU": profile.num_cpus, **gpus}, *[gpus] * (workers - 1)],
        "placement_group_strategy": "PACK",
    }
