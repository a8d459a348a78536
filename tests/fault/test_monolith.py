"""kill -9 of the monolith, which is all processes in one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.settings import CONFIGS
from tests.servers import ServerProcess

SLOW = {"metadata": {"scripted": json.dumps({"tokens": 16, "delay_ms": 125})}}
SLOTS = 64  # of the scripted model


@pytest.fixture
def own_monolith(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(CONFIGS / "monolith.yaml", tmp_path / "data", model="scripted")
    server.start()
    yield server
    server.stop()


def test_jobs_that_took_every_slot_are_done_by_the_next_process(own_monolith: ServerProcess) -> None:
    server = own_monolith
    jobs = [server.submit(**SLOW) for _ in range(SLOTS)]
    server.tokens(jobs[-1], 2)
    server.kill_everything()
    server.start()
    jobs.append(server.submit())
    assert [server.finish(job, seconds=60)["status"] for job in jobs] == ["completed"] * len(jobs)
    assert {server.events(job).count("ResultStored") for job in jobs} == {1}
