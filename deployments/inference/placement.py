"""Where an inference replica runs: the resources that Serve reserves for it.

One GPU is reserved with the replica's own actor, and Ray shows that process no other. A model spread over several
GPUs gets a placement group, in which vLLM's Ray executor finds room for its workers: on one node, unless pipeline
parallelism is there to span several.
"""

from collections.abc import Mapping
from typing import Any, Protocol

_TRACE = 0.001  # of the resource that marks a node's kind of GPU, as Ray takes for `accelerator_type`


class Footprint(Protocol):
    """What a model's profile says of its needs."""

    @property
    def num_cpus(self) -> float:
        """Of the replica's process."""

    @property
    def num_gpus(self) -> float:
        """Of each of vLLM's workers."""

    @property
    def accelerator_type(self) -> str:
        """The kind of GPU, as Ray names it; "": any."""

    @property
    def engine_args(self) -> Mapping[str, Any]:
        """May spread the model over `tensor_parallel_size` times `pipeline_parallel_size` workers."""


def replica_options(profile: Footprint) -> dict[str, Any]:
    """The deployment options of a model's replicas."""
    tensor = profile.engine_args.get("tensor_parallel_size", 1)
    pipeline = profile.engine_args.get("pipeline_parallel_size", 1)
    if tensor * pipeline == 1 or profile.num_gpus == 0:
        kind = {"accelerator_type": profile.accelerator_type} if profile.accelerator_type else {}
        return {"ray_actor_options": {"num_cpus": profile.num_cpus, "num_gpus": profile.num_gpus, **kind}}
    # The replica's process lives in the first bundle and leaves the GPUs to the workers.
    gpus = {"GPU": profile.num_gpus}
    if profile.accelerator_type:
        gpus[f"accelerator_type:{profile.accelerator_type}"] = _TRACE
    return {
        "ray_actor_options": {"num_cpus": profile.num_cpus},
        "placement_group_bundles": [{"CPU": profile.num_cpus, **gpus}, *[gpus] * (tensor * pipeline - 1)],
        "placement_group_strategy": "STRICT_PACK" if pipeline == 1 else "PACK",
    }
