"""Ray's own validation judges what `ray up` is given. Schema and arithmetic only: nothing is started."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[2]
CLOUD, LOCAL = ROOT / "cluster.yaml", ROOT / "configs" / "clusters" / "local.yaml"
COMMANDS = ("initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands")
STARTS = ("head_start_ray_commands", "worker_start_ray_commands")

both = pytest.mark.parametrize("path", [CLOUD, LOCAL], ids=["cloud", "local"])


def prepared(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = prepare_config(yaml.safe_load(path.read_text()))
    return config


@both
def test_ray_accepts_it(path: Path) -> None:
    validate_config(prepared(path))


@both
def test_nodes_are_set_up_by_our_own_make_target(path: Path) -> None:
    config = prepared(path)
    assert all("make -C ~/heliograph setup" in config[f"{role}_setup_commands"] for role in ("head", "worker"))


@both
@pytest.mark.parametrize("role", ["head", "worker"])
def test_every_node_starts_with_a_token_and_with_haproxy(path: Path, role: str) -> None:
    start = next(command for command in prepared(path)[f"{role}_start_ray_commands"] if "ray start" in command)
    assert "RAY_AUTH_MODE=token" in start
    assert "RAY_SERVE_ENABLE_HA_PROXY=1" in start


def test_the_local_variant_stops_no_ray_that_may_be_a_strangers() -> None:
    config = prepared(LOCAL)  # with Ray's defaults filled in, which have `ray stop`
    commands = [command for key in (*COMMANDS, *STARTS) for command in config[key]]
    assert not [command for command in commands if "ray stop" in command or "pkill" in command]


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
