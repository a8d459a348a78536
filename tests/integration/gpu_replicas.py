"""Run as a program: two replicas of a model that needs a GPU, on a Ray that believes it has one. Prints JSON.

Its own process, because the GPU is only logical and the other tests' Ray has none.
"""

import json
import os
import signal
import time
from typing import Any

import ray
from ray import serve

from configs.settings import ModelProfile
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
            "gpus": ray.get_runtime_context().get_accelerator_ids()["GPU"],
            "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
        }


def ask(handle: Any, not_pid: int = 0) -> dict[str, Any]:
    """The answer of a replica that is not this one."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            answer: dict[str, Any] = handle.remote().result(timeout_s=60)
        except ray.exceptions.RayActorError:  # the one that was just killed
            continue
        if answer["pid"] != not_pid:
            return answer
    raise TimeoutError("no replica answers")


def start_ray() -> None:
    """Start a Ray with a logical GPU; tried again, since a busy machine may miss Ray's own 30 s."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            ray.init(
                address="local",
                _node_ip_address="127.0.0.1",
                num_cpus=4,
                num_gpus=1,
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


def main() -> None:
    start_ray()
    serve.start(proxy_location="Disabled")
    profile = ModelProfile(name="large", engine="vllm", num_gpus=1)
    app = serve.deployment(Probe, name="inference", num_replicas=2, **replica_options(profile)).bind()
    target = serve.RunTarget(target=app, name="inference", route_prefix=None)
    (handle,) = serve.run_many([target], wait_for_applications_running=False)
    first = ask(handle)
    pids = {ask(handle)["pid"] for _ in range(20)}
    killed_at = time.time()
    os.kill(first["pid"], signal.SIGKILL)
    second = ask(handle, not_pid=first["pid"])
    print(json.dumps({"first": first, "pids": sorted(pids), "killed_at": killed_at, "second": second}))  # noqa: T201
    ray.shutdown()


if __name__ == "__main__":
    main()
