"""`ray.serve.llm` on one of our models: the same folder, the same engine arguments, Ray's defaults elsewhere."""

from typing import Any

from pydantic import BaseModel
from ray.serve import Application
from ray.serve.llm import LLMConfig, build_openai_app

from configs.profiles import load_profile, model_folder

SHARE = {"num_cpus": 0.1}  # of what Ray counts, so that it has room beside ours; nothing is held to it


class Args(BaseModel):
    """What the config file sets."""

    model: str
    max_ongoing_requests: int


def engine_kwargs(model: str) -> dict[str, Any]:
    """What vLLM is told, as for our own engine."""
    from deployments.engines.vllm.engine import engine_arguments  # noqa: PLC0415 - vLLM is slow to import

    profile = load_profile(model)
    arguments = engine_arguments(
        folder=model_folder(profile), context=profile.context, slots=profile.slots, engine_args=profile.engine_args
    )
    return {
        "max_model_len": arguments.max_model_len,
        "max_num_seqs": arguments.max_num_seqs,
        "scheduling_policy": arguments.scheduling_policy,
        "kv_cache_memory_bytes": arguments.kv_cache_memory_bytes,
        **profile.engine_args,
    }


def build(args: Args) -> Application:
    """The application: one replica of the model, one of its ingress."""
    config = LLMConfig(
        model_loading_config={"model_id": args.model, "model_source": str(model_folder(load_profile(args.model)))},
        accelerator_type=None,
        placement_group_config={"bundles": [{"CPU": SHARE["num_cpus"]}]},
        deployment_config={
            "num_replicas": 1,
            "max_ongoing_requests": args.max_ongoing_requests,
            "ray_actor_options": SHARE,
        },
        engine_kwargs=engine_kwargs(args.model),
    )
    ingress = {"num_replicas": 1, "max_ongoing_requests": args.max_ongoing_requests, "ray_actor_options": SHARE}
    app: Application = build_openai_app({"llm_configs": [config], "ingress_deployment_config": ingress})
    return app
