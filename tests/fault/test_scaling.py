"""Jobs while inference scales up and down, and scaling while what it depends on fails."""

import json
import signal
import time
from collections.abc import Iterator

import pytest

from tests.integration.conftest import MODEL, write_config
from tests.servers import ServerProcess, until

pytestmark = [pytest.mark.ray, pytest.mark.long, pytest.mark.timeout(600)]

INFERENCE = "ServeReplica:inference.scripted"
ENCODER = "ServeReplica:embedding"
HALF_A_MINUTE = {"scripted": json.dumps({"tokens": 60, "delay_ms": 500})}
A_WHILE = {"scripted": json.dumps({"tokens": 10, "delay_ms": 500})}
QUIET_S = 15.0  # longer than any answer of the journal is good for


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("scaling")
    server = ServerProcess(write_config(folder / "elastic.yaml"), folder / "data", model=MODEL)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def idle(server: ServerProcess) -> ServerProcess:
    """With no replica of inference."""
    until(lambda: not server.find(INFERENCE), seconds=120, what="no replica")
    return server


def test_100_jobs_of_30_s_are_neither_lost_nor_started_twice_while_scaling_up_and_down(idle: ServerProcess) -> None:
    long = [idle.submit(metadata=HALF_A_MINUTE, max_output_tokens=60) for _ in range(70)]
    until(lambda: len(idle.find(INFERENCE)) >= 2, seconds=60, what="two replicas")
    long += [idle.submit(metadata=HALF_A_MINUTE, max_output_tokens=60) for _ in range(30)]
    short = [idle.submit(metadata={"scripted": json.dumps({"delay_ms": 100})}) for _ in range(100)]
    until(lambda: len(idle.find(INFERENCE)) == 3, seconds=60, what="three replicas")
    assert {idle.finish(job)["status"] for job in [*long, *short]} == {"completed"}
    until(lambda: not idle.find(INFERENCE), seconds=120, what="no replica after them")
    assert {idle.events(job).count("InferenceStarted") for job in [*long, *short]} == {1}
    assert {idle.events(job).count("ResultStored") for job in [*long, *short]} == {1}


def test_a_controller_that_dies_while_inference_starts_from_zero_comes_back_and_scales_it(idle: ServerProcess) -> None:
    jobs = [idle.submit(metadata=A_WHILE) for _ in range(100)]
    idle.kill("ray::ServeController")
    assert {idle.finish(job)["status"] for job in jobs} == {"completed"}
    until(lambda: not idle.find(INFERENCE), seconds=120, what="no replica after them")


def test_a_journal_that_does_not_answer_keeps_no_other_application_from_updates(idle: ServerProcess) -> None:
    (journal,) = idle.find("ray::JournalActor")
    journal.send_signal(signal.SIGSTOP)
    try:
        give_up_at = time.monotonic() + QUIET_S
        until(lambda: time.monotonic() > give_up_at, seconds=2 * QUIET_S, what="a journal that is long silent")
        gone = idle.kill(ENCODER)
        until(lambda: {new.pid for new in idle.find(ENCODER)} - set(gone), seconds=60, what="another encoder")
    finally:
        journal.send_signal(signal.SIGCONT)
    assert idle.finish(idle.submit())["status"] == "completed"
