"""One prompt that kills its engine, among a hundred: it alone is given up, whoever was beside it."""

import json
from typing import Any

import httpx
import pytest

from tests.servers import ServerProcess

JOBS = 100
POISONED = 13
BESIDE = {"tokens": 16, "delay_ms": 20}
POISON = {"tokens": 16, "delay_ms": 20, "fail": "exit", "at": 4}

pytestmark = [pytest.mark.long, pytest.mark.ray, pytest.mark.timeout(600)]


@pytest.mark.parametrize("wiring", ["event_driven", "microservices"])
def test_the_one_job_among_100_that_kills_its_engine_is_dead_lettered_and_the_others_complete(
    wiring: str, request: pytest.FixtureRequest
) -> None:
    server: ServerProcess = request.getfixturevalue(wiring)
    jobs = [server.submit(metadata=_script(POISON if n == POISONED else BESIDE)) for n in range(JOBS)]
    views = [server.finish(job, seconds=300) for job in jobs]
    assert [n for n, view in enumerate(views) if view["status"] != "completed"] == [POISONED]
    assert views[POISONED]["status"] == "failed"
    letters = httpx.get(f"{server.url}/dead-letters").json()["data"]
    assert [letter["job_id"] for letter in letters if letter["job_id"] in jobs] == [jobs[POISONED]]
    assert {server.events(job).count("ResultStored") for job in jobs if job != jobs[POISONED]} == {1}
    assert server.events(jobs[POISONED])[-1] == "JobDeadLettered"


def _script(script: dict[str, Any]) -> dict[str, str]:
    return {"scripted": json.dumps(script)}
