"""The comparison: Ray Serve's asynchronous inference with as many jobs, slots and replicas, and one of them killed."""

import os
import time
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks.peers.application import application
from benchmarks.program import REPOSITORY
from benchmarks.redis_server import RESULT_DATABASE, client, redis_server
from configs.profiles import load_profile
from tests.fault.matrix.cells import Cell, Kind
from tests.fault.matrix.clusters import REPLICAS, config_of
from tests.fault.matrix.load import JOBS
from tests.servers import ServerProcess

WORK_S = 2.0  # as long as one of our jobs
PATIENCE_S = 120.0
POLL_S = 0.1


def run(folder: Path, cell: Cell) -> dict[str, Any]:
    """How many of the jobs had no result two minutes after the death, and when the last of the others came."""
    folder.mkdir()
    os.environ["PYTHONPATH"] = str(REPOSITORY)
    with redis_server() as port, client(port, RESULT_DATABASE) as redis:
        file = folder / "config.yaml"
        config, model = config_of(Kind.SCRIPTED)
        tokens = load_profile(model).default_max_output_tokens
        task = {"redis_port": port, "slots": load_profile(model).slots, "tokens": tokens, "work_s": WORK_S}
        config["applications"].append(application("task_consumer", "/task", replicas=REPLICAS, **task))
        file.write_text(yaml.safe_dump(config))
        server = ServerProcess(file, folder / "data", model=model)
        try:
            server.start()
            return _strike(server, cell, redis.dbsize)
        finally:
            server.stop()


def _strike(server: ServerProcess, cell: Cell, results: Any) -> dict[str, Any]:
    with httpx.Client(base_url=server.url, timeout=30) as http:
        for number in range(JOBS):
            http.post("/task/async-generate", json={"model": server.model, "prompt": str(number)}).raise_for_status()
    died_at = time.monotonic()
    server.find(cell.victim)[0].kill()
    last_at, there = died_at, int(results())
    while there < JOBS and time.monotonic() < died_at + PATIENCE_S:
        time.sleep(POLL_S)
        if int(results()) > there:
            last_at, there = time.monotonic(), int(results())
    return {"jobs": JOBS, "without_result": JOBS - there, "last_result_s": round(last_at - died_at, 1)}
