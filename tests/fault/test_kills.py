"""kill -9 of each of our processes: every job that was accepted completes, and is decided once."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.settings import CONFIGS
from tests.servers import ServerProcess, by_template

SLOW = {"metadata": {"scripted": json.dumps({"tokens": 16, "delay_ms": 100})}}
JOBS = 30
TERMINAL_EVENTS = {"ResultStored", "JobIncomplete", "JobFailed", "JobCancelled", "JobDeadLettered"}

pytestmark = pytest.mark.ray

VICTIMS = {
    "journal": "ray::JournalActor",
    "token log": "ray::TokenLogActor",
    "queue": "ray::TopicsActor",
    "ingestion": "ray::ServeReplica:ingestion",
    "prompting": "ray::ServeReplica:prompting",
    "inference": "ray::ServeReplica:inference",
}


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(CONFIGS / "scripted.yaml", tmp_path / "data", model="scripted")
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("victim", VICTIMS)
def test_accepted_jobs_complete_after_the_death_of(victim: str, event_driven: ServerProcess) -> None:
    server = event_driven
    jobs = [server.submit(**SLOW, **by_template(number)) for number in range(JOBS)]
    server.kill(VICTIMS[victim])
    jobs += [server.submit() for _ in range(3)]
    assert [server.finish(job)["status"] for job in jobs] == ["completed"] * len(jobs)
    for job in jobs:
        assert len(TERMINAL_EVENTS.intersection(events := server.events(job))) == 1
        assert events.count("ResultStored") == 1


@pytest.mark.long
def test_accepted_jobs_complete_after_the_death_of_everything_at_once(own_server: ServerProcess) -> None:
    server = own_server
    jobs = [server.submit(**SLOW) for _ in range(JOBS)]
    server.kill_everything()
    server.start()
    assert [server.finish(job)["status"] for job in jobs] == ["completed"] * JOBS
    assert {server.events(job).count("ResultStored") for job in jobs} == {1}
