"""kill -9 of vLLM's engine core, on a real model: the jobs go on from their logs and complete."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.settings import CONFIGS
from heliograph.models import add_model
from tests.servers import ServerProcess, until

MODEL = "smollm2-135m-instruct"

pytestmark = [pytest.mark.ray, pytest.mark.vllm, pytest.mark.timeout(600)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    add_model(MODEL)
    server = ServerProcess(CONFIGS / "event-driven.yaml", tmp_path / "data", model=MODEL)
    server.start()
    yield server
    server.stop()


def test_jobs_go_on_from_their_logs_after_the_death_of_the_engine_core(server: ServerProcess) -> None:
    jobs = [server.submit(prompt=f"Count from {n} upwards.", max_output_tokens=200) for n in range(4)]
    until(lambda: all("InferenceStarted" in server.events(job) for job in jobs), seconds=60, what="the start")
    before = [server.tokens(job, 3) for job in jobs]
    server.kill("VLLM::EngineCore")
    views = [server.finish(job, seconds=300) for job in jobs]
    assert {view["status"] for view in views} <= {"completed", "incomplete"}
    for job, frames in zip(jobs, before, strict=True):
        assert server.tokens(job, 3) == frames  # what was shown is still what was said
        assert server.events(job).count("InferenceStarted") == 2
        assert len({"ResultStored", "JobIncomplete"}.intersection(server.events(job))) == 1
