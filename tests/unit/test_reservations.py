"""What the shipped wirings reserve on a laptop of two cores."""

import pytest
import yaml

from configs.profiles import load_encoder, load_profile
from configs.settings import CONFIGS
from deployments.departure import SMALL
from pipelines.data.dataset import ACTOR
from pipelines.data.indexing import OPENERS, WRITERS

CORES = 2


def reserved(application: str) -> float:
    service, _, name = application.partition(".")
    if service in ("embedding", "reranking"):
        return load_encoder(name).num_cpus
    return load_profile(name).num_cpus if service == "inference" else SMALL["num_cpus"]


@pytest.mark.parametrize("wiring", ["event-driven", "scripted"])
def test_indexing_finds_room_beside_all_services(wiring: str) -> None:
    applications = yaml.safe_load((CONFIGS / f"{wiring}.yaml").read_text())["applications"]
    indexing = (OPENERS + WRITERS) * ACTOR["num_cpus"]
    assert sum(reserved(application["name"]) for application in applications) + indexing <= CORES
