"""kill -9 of the monolith, which is all processes in one."""

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from configs.settings import CONFIGS
from heliograph.models import add_model
from tests.servers import ServerProcess

SLOW = {"metadata": {"scripted": json.dumps({"tokens": 16, "delay_ms": 125})}}
SLOTS = 64  # of the scripted model
MODEL = "smollm2-135m-instruct"


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


@pytest.mark.long
@pytest.mark.vllm
def test_no_engine_outlives_it(tmp_path: Path) -> None:
    add_model(MODEL)
    config = tmp_path / "monolith.yaml"
    config.write_text((CONFIGS / "monolith.yaml").read_text().replace("models: [scripted]", f"models: [{MODEL}]"))
    server = ServerProcess(config, tmp_path / "data", model=MODEL)
    server.start()
    tree = server.tree()
    assert server.find("VLLM::EngineCore")
    server.kill_root()
    assert psutil.wait_procs(tree, timeout=30)[1] == []
