"""GPUs are logical here: Ray hands out what `num_gpus` says, without a device behind it."""

import json
import subprocess
import sys
from typing import Any

import pytest

from configs.settings import ModelProfile
from deployments.inference.placement import replica_options

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def report() -> Any:
    program = [sys.executable, "-m", "tests.integration.gpu_replicas"]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.ray
def test_a_replica_gets_one_gpu_and_sees_no_other(report: Any) -> None:
    assert report["first"]["gpus"] == ["0"]
    assert report["first"]["visible"] == "0"


@pytest.mark.ray
def test_a_second_replica_waits_until_the_gpu_is_free(report: Any) -> None:
    assert report["pids"] == [report["first"]["pid"]]
    assert report["second"]["started_at"] > report["killed_at"]
    assert report["second"]["visible"] == "0"


def test_a_model_on_several_gpus_gets_a_bundle_for_each_worker() -> None:
    arguments = {"tensor_parallel_size": 2, "pipeline_parallel_size": 2}
    profile = ModelProfile(name="larger", engine="vllm", num_gpus=1, num_cpus=2, engine_args=arguments)
    assert replica_options(profile) == {
        "ray_actor_options": {"num_cpus": 2},
        "placement_group_bundles": [{"CPU": 2, "GPU": 1}, {"GPU": 1}, {"GPU": 1}, {"GPU": 1}],
        "placement_group_strategy": "PACK",
    }


def test_without_a_gpu_nothing_but_the_cores_is_reserved() -> None:
    profile = ModelProfile(name="small", engine="vllm", num_cpus=1, engine_args={"tensor_parallel_size": 2})
    assert replica_options(profile) == {"ray_actor_options": {"num_cpus": 1, "num_gpus": 0}}
