"""What is in deploy/ stands in step with the code and the configurations. `make check-deploy` looks at the rest."""

import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from configs.profiles import load_profile
from configs.settings import CONFIGS
from deployments.inference.placement import replica_options
from heliograph.haproxy import node_environment
from tests.unit.test_configs import SETTINGS

DEPLOY = CONFIGS.parent / "deploy"
SERVE_S = 20  # Serve's default time for a replica that leaves
MODEL, OURS = "qwen3-8b", "smollm2-135m-instruct"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text()))


@pytest.fixture(scope="module")
def service() -> Any:
    (document,) = documents("heliograph.yaml")
    return document["spec"]


@pytest.fixture(scope="module")
def ray(service: dict[str, Any]) -> Any:
    return service["rayClusterConfig"]


def pods(ray: dict[str, Any]) -> list[dict[str, Any]]:
    return [group["template"]["spec"] for group in (ray["headGroupSpec"], *ray["workerGroupSpecs"])]


def test_the_serve_config_is_valid_for_serve_and_its_arguments_for_us(service: dict[str, Any]) -> None:
    config = ServeDeploySchema.model_validate(yaml.safe_load(service["serveConfigV2"]))
    for application in config.applications:
        SETTINGS[application.name.split(".")[0]].model_validate(application.args)


def test_the_serve_config_is_the_event_driven_wiring_of_another_model(service: dict[str, Any]) -> None:
    theirs = yaml.safe_load(service["serveConfigV2"].replace(MODEL, OURS))
    ours = yaml.safe_load((CONFIGS / "event-driven.yaml").read_text())
    for application in theirs["applications"]:
        for elastic in ("replicas", "on_demand"):
            application["args"].pop(elastic, None)
    arguments = {application["name"]: application["args"] for application in ours["applications"]}
    arguments["plane"] |= {"data": "/data", "objects": "s3://heliograph-files/files"}
    arguments["plane"] |= {"index": "s3://heliograph-files/index"}
    assert theirs["applications"] == ours["applications"]
    assert theirs["http_options"] == {"host": "0.0.0.0", "port": 8000}  # noqa: S104 - the network policy closes it


def test_the_ray_is_the_pinned_one(ray: dict[str, Any]) -> None:
    assert ray["rayVersion"] == version("ray")


def test_the_head_takes_no_work_but_the_journals(ray: dict[str, Any]) -> None:
    parameters = ray["headGroupSpec"]["rayStartParams"]
    assert parameters["num-cpus"] == "0"
    assert yaml.safe_load(yaml.safe_load(parameters["resources"])) == {"journal": 1}


def test_the_head_dies_without_its_cluster_and_ray_wants_a_token(ray: dict[str, Any]) -> None:
    assert ray["gcsFaultToleranceOptions"]["redisAddress"].startswith("rediss://")
    assert ray["authOptions"]["mode"] == "token"


def test_every_pod_has_the_database_from_a_secret_and_the_same_folders(ray: dict[str, Any]) -> None:
    for pod in pods(ray):
        (container,) = pod["containers"]
        variables = {each["name"]: each for each in container["env"]}
        secret = {"name": "heliograph", "key": "database"}
        assert variables["HELIOGRAPH_DATABASE"]["valueFrom"]["secretKeyRef"] == secret
        assert {"data": "/data", "models": "/models"}.items() <= {
            each["name"]: each["mountPath"] for each in container["volumeMounts"]
        }.items()


def test_no_pod_is_root_or_may_become_it(ray: dict[str, Any]) -> None:
    for pod in pods(ray):
        assert pod["securityContext"]["runAsNonRoot"]
        rights = pod["containers"][0]["securityContext"]
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert not rights["allowPrivilegeEscalation"]
        assert pod["containers"][0]["resources"]["limits"].keys() >= {"cpu", "memory"}


def test_a_worker_is_drained_before_it_is_killed(ray: dict[str, Any]) -> None:
    for group in ray["workerGroupSpecs"]:
        pod = group["template"]["spec"]
        program, seconds = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
        assert (DEPLOY.parent / program.removeprefix("/opt/heliograph/")).is_file()
        assert SERVE_S < int(seconds) < pod["terminationGracePeriodSeconds"]


def test_a_gpu_pod_has_room_for_a_replica_of_its_model(ray: dict[str, Any]) -> None:
    (gpu,) = (group for group in ray["workerGroupSpecs"] if group["groupName"] == "gpu")
    limits = gpu["template"]["spec"]["containers"][0]["resources"]["limits"]
    needs = replica_options(load_profile(MODEL))["ray_actor_options"]
    assert needs["num_gpus"] == float(limits["nvidia.com/gpu"])
    assert needs["num_cpus"] <= float(limits["cpu"])
    assert gpu["minReplicas"] == 0


def test_strangers_reach_the_http_port_alone_and_the_operator_the_dashboard() -> None:
    policies = {each["metadata"]["name"]: each.get("spec", {}) for each in documents("surroundings.yaml")}
    assert policies["closed"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    among_themselves, others = policies["ray"]["ingress"]
    assert among_themselves == {"from": [{"podSelector": policies["ray"]["podSelector"]}]}
    assert [each["port"] for each in others["ports"]] == [8000]
    (operator,) = policies["operator"]["ingress"]
    assert all("kuberay-operator" in str(each) for each in operator["from"])
    assert [each["port"] for each in operator["ports"]] == [8265, 8000]


def test_the_image_sets_what_haproxy_needs_and_has_the_pinned_requirements(tmp_path: Path) -> None:
    image = (DEPLOY / "Dockerfile").read_text()
    for name, value in node_environment(tmp_path).items():
        expected = "/opt/haproxy/haproxy" if name.endswith("BINARY_PATH") else value
        assert re.search(rf"^\s*(ENV )?{name}={expected}( \\)?$", image, re.MULTILINE)
    assert 'uv pip sync --no-cache --compile-bytecode --python .venv/bin/python "requirements/$SET.txt"' in image


def test_the_image_runs_as_the_user_that_kubernetes_says(ray: dict[str, Any]) -> None:
    users = {str(pod["securityContext"]["runAsUser"]) for pod in pods(ray)}
    assert users == set(re.findall(r"^USER (\d+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE))
