"""The wiring without topics: whatever process dies, every job that was accepted completes, and is decided once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from configs.settings import CONFIGS
from tests.fault.test_kills import JOBS, SLOW, TERMINAL_EVENTS, VICTIMS
from tests.servers import ServerProcess, by_template, until

INGESTION = VICTIMS["ingestion"]
MORE_THAN_RUN_AT_ONCE = 150

pytestmark = [pytest.mark.long, pytest.mark.ray, pytest.mark.timeout(600)]


@pytest.fixture
def two_doors(tmp_path: Path) -> Iterator[ServerProcess]:
    """With two replicas of ingestion, and prompting over HTTP. The port is known when the file is written."""
    server = ServerProcess(tmp_path / "microservices.yaml", tmp_path / "data", model="scripted")
    document: dict[str, Any] = yaml.safe_load((CONFIGS / "microservices.yaml").read_text())
    applications = {application["name"]: application for application in document["applications"]}
    applications["ingestion"]["deployments"] = [{"name": "ingestion", "num_replicas": 2}]
    applications["ingestion"]["args"]["prompting"] = f"{server.url}/prompting"
    applications["prompting"]["route_prefix"] = "/prompting"
    server.config.write_text(yaml.safe_dump(document))
    server.start()
    yield server
    server.stop()


def check(server: ServerProcess, jobs: list[str]) -> None:
    """Each has ended once, and well."""
    assert [server.finish(job)["status"] for job in jobs] == ["completed"] * len(jobs)
    for job in jobs:
        events = server.events(job)
        assert len(TERMINAL_EVENTS.intersection(events)) == 1
        assert events.count("ResultStored") == 1


@pytest.mark.parametrize("victim", ["journal", "ingestion", "prompting", "inference"])
def test_accepted_jobs_complete_after_the_death_of(victim: str, microservices: ServerProcess) -> None:
    server = microservices
    jobs = [server.submit(**SLOW, **by_template(number)) for number in range(JOBS)]
    server.kill(VICTIMS[victim])
    jobs += [server.submit() for _ in range(3)]
    check(server, jobs)
    assert server.find(VICTIMS["queue"]) == []


def test_what_a_dead_replica_of_ingestion_has_accepted_is_picked_up_by_the_others(two_doors: ServerProcess) -> None:
    server = two_doors
    jobs = [server.submit(**SLOW) for _ in range(MORE_THAN_RUN_AT_ONCE)]
    first, other = until(lambda: pair(server), seconds=30, what="two replicas of ingestion")
    first.kill()
    psutil.wait_procs([first], timeout=10)
    check(server, jobs)
    assert other.is_running()


def pair(server: ServerProcess) -> list[psutil.Process] | None:
    """The processes of the two replicas of ingestion, once both are there."""
    found = server.find(INGESTION)
    return found if len(found) == 2 else None
