"""One server on Ray for all of these tests: the scripted engine, with inference that scales from zero."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from configs.settings import CONFIGS
from tests.logging_kept import kept_logging
from tests.servers import ServerProcess

MODEL = "scripted"
SCALING = {
    "replicas": {
        "least": 0,
        "most": 3,
        "backlog_s": 1,
        "upscale_delay_s": 0,
        "downscale_delay_s": 2,
        "downscale_to_zero_delay_s": 2,
    }
}


class RayServer(ServerProcess):
    """A server, and the address of its Ray."""

    def ray_address(self) -> str:
        """As `ray.init` takes it. Read from the raylet, because other Rays may run on this machine."""
        (raylet,) = self.find("raylet/raylet")
        (option,) = [word for word in raylet.cmdline() if word.startswith("--gcs-address=")]
        return str(option).partition("=")[2]


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """A monolith in this process configures it."""
    with kept_logging():
        yield


@pytest.fixture(scope="package")
def elastic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayServer]:
    folder = tmp_path_factory.mktemp("elastic")
    server = RayServer(write_config(folder / "elastic.yaml"), folder / "data", model=MODEL)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def write_config(path: Path) -> Path:
    """`configs/scripted.yaml` without knowledge, and with no replica of inference until there is work."""
    document: dict[str, Any] = yaml.safe_load((CONFIGS / "scripted.yaml").read_text())
    document["applications"] = [each for each in document["applications"] if each["name"] != "knowledge"]
    arguments = {application["name"]: application["args"] for application in document["applications"]}
    arguments["inference.scripted"] |= SCALING
    arguments["ingestion"] |= {"on_demand": [MODEL], "encoder": ""}
    path.write_text(yaml.safe_dump(document))
    return path
