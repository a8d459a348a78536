"""Ray's own validation judges what `ray up` is given. Schema and arithmetic only: nothing is started."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from configs.profiles import load_profile
from deployments.inference.placement import replica_options

ROOT = Path(__file__).parents[2]
CLOUD, LOCAL = ROOT / "cluster.yaml", ROOT / "configs" / "clusters" / "local.yaml"

both = pytest.mark.parametrize("path", [CLOUD, LOCAL], ids=["cloud", "local"])


def prepared(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = prepare_config(yaml.safe_load(path.read_text()))
    return config


@both
def test_ray_accepts_it(path: Path) -> None:
    validate_config(prepared(path))


@both
def test_nodes_are_set_up_and_started_by_our_own_environment(path: Path) -> None:
    config = prepared(path)
    for role in ("head", "worker"):
        assert "~/heliograph/setup/node.sh" in config[f"{role}_setup_commands"]
        assert [command.split(";")[-1].split()[0] for command in config[f"{role}_start_ray_commands"]] == ["ray", "ray"]


@both
def test_nodes_share_a_token(path: Path) -> None:
    assert prepared(path)["file_mounts"]["~/.ray/auth_token"]


def test_the_local_variant_has_the_autoscaler_that_knows_it() -> None:
    assert "RAY_enable_autoscaler_v2=0" in prepared(LOCAL)["head_start_ray_commands"][-1]


def test_the_cloud_head_takes_no_work_but_the_journals() -> None:
    config = prepared(CLOUD)
    head = config["available_node_types"][config["head_node_type"]]
    assert head["resources"] == {"CPU": 0, "journal": 1}
    assert head["max_workers"] == 0


def test_the_gpu_workers_scale_from_zero_and_fit_into_the_cluster() -> None:
    config = prepared(CLOUD)
    workers = [node for name, node in config["available_node_types"].items() if name.startswith("gpu")]
    assert len(workers) >= 2
    assert {node["min_workers"] for node in workers} == {0}
    assert all(node["resources"]["GPU"] >= 1 and 0 < node["max_workers"] <= config["max_workers"] for node in workers)


@pytest.mark.parametrize("name", ["qwen3-8b", "llama-3.3-70b-instruct", "llama-3.3-70b-instruct-tp8"])
def test_some_node_has_the_gpus_of_a_shipped_profile(name: str) -> None:
    options = replica_options(load_profile(name))
    needs: Counter[str] = Counter()
    for bundle in options.get("placement_group_bundles", [{"GPU": 1}]):
        needs.update(bundle)
    nodes = [node["resources"] for node in prepared(CLOUD)["available_node_types"].values()]
    assert any(all(node.get(kind, 0) >= amount for kind, amount in needs.items()) for node in nodes)
