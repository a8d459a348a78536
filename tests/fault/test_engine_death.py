"""kill -9 of vLLM's engine core, on a real model: the jobs go on from their logs and complete."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fault.continuation import EVERY, disturbed, real_server, same, undisturbed
from tests.servers import ServerProcess, until

pytestmark = [pytest.mark.long, pytest.mark.ray, pytest.mark.vllm, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with real_server(tmp_path_factory.mktemp("engine")) as server:
        yield server


def test_a_client_notices_nothing_but_time(server: ServerProcess) -> None:
    whole = undisturbed(server)
    run = disturbed(server, 2 * EVERY)
    assert same(whole, run), (whole.text, run.text, run.connections)
    assert run.replay() == run.frames


def test_jobs_go_on_from_their_logs_after_the_death_of_the_engine_core(server: ServerProcess) -> None:
    jobs = [server.submit(prompt=f"Count from {n} upwards.", max_output_tokens=600) for n in range(4)]
    until(lambda: all("InferenceStarted" in server.events(job) for job in jobs), seconds=240, what="the start")
    with ThreadPoolExecutor(len(jobs)) as readers:  # together, so that no job ends meanwhile
        before = list(readers.map(lambda job: server.tokens(job, 3), jobs))
    server.kill("VLLM::EngineCore")
    views = [server.finish(job, seconds=300) for job in jobs]
    assert {view["status"] for view in views} <= {"completed", "incomplete"}
    for job, frames in zip(jobs, before, strict=True):
        assert server.tokens(job, 3) == frames  # what was shown is still what was said
        assert server.events(job).count("InferenceStarted") == 2
        assert len({"ResultStored", "JobIncomplete"}.intersection(server.events(job))) == 1
