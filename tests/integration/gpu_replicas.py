"""Run as a program: a model on four GPUs, three replicas of one on one GPU each, and two encoders that share one, on a
Ray that believes it has seven. Prints JSON.

Its own process, because the GPUs are only logical and the other tests' Ray has none.
"""

import json
import os
import signal
import time
from collections.abc import Collection
from typing import Any

import ray
from ray import serve
from ray.util import get_current_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from configs.profiles import load_encoder, load_profile
from deployments.inference.placement import replica_options
from heliograph.local_ray import ATTEMPTS, end_descendants


class Probe:
    """Stands where the engine would be."""

    def __init__(self) -> None:
        self.started_at = time.time()

    def __call__(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "started_at": self.started_at,
            **seen(),
        }

    def workers(self) -> list[dict[str, Any]]:
        """What each of the engine's workers sees, placed as vLLM's Ray executor places them."""
        group = get_current_placement_group()
        places = [PlacementGroupSchedulingStrategy(group, index) for index in range(group.bundle_count)]
        look = ray.remote(num_cpus=0, num_gpus=1)(seen)
        answers: list[dict[str, Any]] = ray.get([look.options(scheduling_strategy=place).remote() for place in places])
        return answers


def seen() -> dict[str, Any]:
    """The GPUs of this process."""
    return {
        "gpus": ray.get_runtime_context().get_accelerator_ids()["GPU"],
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }


def ask(handle: Any, others: Collection[int] = ()) -> dict[str, Any]:
    """The answer of a replica that is none of these processes."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            answer: dict[str, Any] = handle.remote().result(timeout_s=60)
        except ray.exceptions.RayActorError:  # the one that was just killed
            continue
        if answer["pid"] not in others:
            return answer
    raise TimeoutError("no replica answers")


def start_ray() -> None:
    """Start a Ray with logical GPUs; tried again, since a busy machine may miss Ray's own 30 s."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            ray.init(
                address="local",
                _node_ip_address="127.0.0.1",
                num_cpus=16,
                num_gpus=7,
                resources={"accelerator_type:H100": 1},
                include_dashboard=False,
                object_store_memory=100 * 1024**2,
                log_to_driver=False,
                configure_logging=False,
            )
        except Exception:  # Ray has no narrower one for this
            if attempt == ATTEMPTS:
                raise
            ray.shutdown()
            end_descendants()
        else:
            return


def target(name: str, options: dict[str, Any], replicas: int = 1) -> serve.RunTarget:
    """An application of probes."""
    app = serve.deployment(Probe, name="probe", num_replicas=replicas, **options).bind()
    return serve.RunTarget(target=app, name=name, route_prefix=None)


def encoder_options(name: str) -> dict[str, Any]:
    """As an encoder's application has them."""
    profile = load_encoder(name)
    return {"ray_actor_options": {"num_cpus": profile.num_cpus, "num_gpus": profile.num_gpus}}


def main() -> None:
    start_ray()
    serve.start(proxy_location="Disabled")
    spread = target("spread", replica_options(load_profile("llama-3.3-70b-instruct")))
    shared = [target(name, encoder_options(name)) for name in ("gte-large", "ms-marco-minilm-l12-v2")]
    whole, *sharing = serve.run_many([spread, *shared])
    single = target("single", replica_options(load_profile("qwen3-8b")), replicas=3)
    (handle,) = serve.run_many([single], wait_for_applications_running=False)
    first = ask(handle)
    second = ask(handle, [first["pid"]])
    pids = {ask(handle)["pid"] for _ in range(20)}
    killed_at = time.time()
    os.kill(first["pid"], signal.SIGKILL)
    third = ask(handle, pids)
    report = {
        "spread": whole.remote().result(timeout_s=60),
        "workers": whole.workers.remote().result(timeout_s=60),
        "sharing": [ask(each) for each in sharing],
        "first": first,
        "second": second,
        "pids": sorted(pids),
        "killed_at": killed_at,
        "third": third,
    }
    print(json.dumps(report))  # noqa: T201
    ray.shutdown()


if __name__ == "__main__":
    main()
