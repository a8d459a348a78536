"""GPUs are logical here: Ray hands out what `num_gpus` says, without a device behind it."""

import json
import subprocess
import sys
from typing import Any

import pytest

from configs.profiles import ModelProfile, load_profile
from deployments.inference.placement import replica_options

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def report() -> Any:
    program = [sys.executable, "-m", "tests.integration.gpu_replicas"]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.ray
@pytest.mark.long
def test_a_replica_gets_one_gpu_and_sees_no_other(report: Any) -> None:
    assert [len(report[name]["gpus"]) for name in ("first", "second")] == [1, 1]
    assert [report[name]["visible"] for name in ("first", "second")] == [
        report["first"]["gpus"][0],
        report["second"]["gpus"][0],
    ]
    assert report["first"]["gpus"] != report["second"]["gpus"]


@pytest.mark.ray
@pytest.mark.long
def test_a_third_replica_waits_until_a_gpu_is_free(report: Any) -> None:
    assert report["pids"] == sorted([report["first"]["pid"], report["second"]["pid"]])
    assert report["third"]["started_at"] > report["killed_at"]
    assert report["third"]["visible"] == report["first"]["visible"]


@pytest.mark.ray
@pytest.mark.long
def test_a_tensor_parallel_model_leaves_its_gpus_to_its_workers_and_gives_each_another(report: Any) -> None:
    assert report["spread"]["gpus"] == []
    taken = [gpu for worker in report["workers"] for gpu in worker["gpus"]]
    assert len(taken) == len(set(taken)) == 4
    assert [worker["visible"] for worker in report["workers"]] == taken
    assert not set(taken) & {report["first"]["visible"], report["second"]["visible"]}


@pytest.mark.ray
@pytest.mark.long
def test_two_encoders_share_a_gpu_that_no_model_has(report: Any) -> None:
    (one, other) = (encoder["gpus"] for encoder in report["sharing"])
    assert one == other
    assert one[0] not in {gpu for worker in report["workers"] for gpu in worker["gpus"]}
    assert one[0] not in {report["first"]["visible"], report["second"]["visible"]}


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


SPREAD = [("llama-3.3-70b-instruct", 4, "H100"), ("llama-3.3-70b-instruct-tp8", 8, "L4")]


@pytest.mark.parametrize(("name", "gpus", "kind"), SPREAD)
def test_a_shipped_tensor_parallel_profile_takes_gpus_of_one_kind_from_one_node(
    name: str, gpus: int, kind: str
) -> None:
    options = replica_options(load_profile(name))
    assert options["placement_group_strategy"] == "STRICT_PACK"
    assert len(options["placement_group_bundles"]) == gpus
    assert all(bundle["GPU"] == 1 for bundle in options["placement_group_bundles"])
    assert all(f"accelerator_type:{kind}" in bundle for bundle in options["placement_group_bundles"])


def test_the_kind_of_a_single_gpu_is_asked_for_where_the_profile_names_one() -> None:
    profile = load_profile("qwen3-8b")
    assert replica_options(profile) == {"ray_actor_options": {"num_cpus": 2, "num_gpus": 1}}
    named = profile.model_copy(update={"accelerator_type": "L4"})
    assert replica_options(named)["ray_actor_options"]["accelerator_type"] == "L4"
