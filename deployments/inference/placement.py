"""Where an inference replica runs: the CPUs and GPUs that Ray reserves for it."""

from typing import Any

from configs.settings import ModelProfile


def replica_options(profile: ModelProfile) -> dict[str, Any]:
    """Serve's deployment options. A model on several GPUs gets a placement group with one bundle per GPU.

    vLLM's Ray executor then puts one worker into each bundle; the replica itself sits in the first.
    """
    actor = {"num_cpus": profile.num_cpus, "num_gpus": profile.num_gpus}
    gpus = _parallel(profile)
    if gpus == 1 or not profile.num_gpus:
        return {"ray_actor_options": actor}
    bundles = [{"CPU": profile.num_cpus, "GPU": 1}] + [{"CPU": 1, "GPU": 1}] * (gpus - 1)
    return {
        "ray_actor_options": {"num_cpus": profile.num_cpus},
        "placement_group_bundles": bundles,
        "placement_group_strategy": "PACK",
    }


def _parallel(profile: ModelProfile) -> int:
    sizes = profile.engine_args.get("tensor_parallel_size", 1), profile.engine_args.get("pipeline_parallel_size", 1)
    return int(sizes[0]) * int(sizes[1])
