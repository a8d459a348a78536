"""kill -9 of a batch's workers and of the journal while its lines run: each line is told of once, and done once."""

import json
from typing import Any

import httpx
import pytest

from pipelines.batch_edits import line_id
from tests.batch_crew import CHAT, chat_line
from tests.servers import ServerProcess, until

BAD = (13, 100, 199)  # what only the engine finds out
VICTIMS = (  # after so many lines of a hundred
    (0, "ray::ServeReplica:batching"),
    (10, "ray::ServeReplica:inference"),
    (30, "ray::JournalActor"),
    (50, "ray::ServeReplica:inference"),
)
ENDS = {"ResultStored", "JobFailed"}

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


def line(number: int) -> dict[str, Any]:
    script = "{" if number in BAD else json.dumps({"tokens": 16, "delay_ms": 50})
    return chat_line(f"line {number}", f"Say {number}.", metadata={"scripted": script})


def start(server: ServerProcess, lines: int) -> str:
    text = "".join(f"{json.dumps(line(number))}\n" for number in range(lines))
    files, data = {"file": ("lines.jsonl", text.encode())}, {"purpose": "batch"}
    file = httpx.post(f"{server.url}/v1/files", files=files, data=data, timeout=60).json()["id"]
    body = {"input_file_id": file, "endpoint": CHAT, "completion_window": "1h"}
    batch: str = httpx.post(f"{server.url}/v1/batches", json=body, timeout=60).json()["id"]
    return batch


def read(server: ServerProcess, file: str) -> list[str]:
    reply = httpx.get(f"{server.url}/v1/files/{file}/content", timeout=60)
    return [json.loads(told)["custom_id"] for told in reply.text.splitlines()]


@pytest.mark.parametrize("lines", [200, pytest.param(1000, marks=pytest.mark.long)])
def test_each_line_is_told_of_once_and_no_finished_one_is_done_again(event_driven: ServerProcess, lines: int) -> None:
    server = event_driven
    batch = start(server, lines)

    def done() -> int:
        counts: dict[str, int] = server.get(f"/v1/batches/{batch}")["request_counts"]
        return counts["completed"] + counts["failed"]

    for percent, victim in VICTIMS:
        least = lines * percent // 100
        until(lambda least=least: done() >= least, seconds=120, what=f"{least} lines")  # type: ignore[misc]
        server.kill(victim)
    ended = until(lambda: _ended(server, batch), seconds=240, what="the end of the batch")
    assert ended["status"] == "completed"
    assert ended["request_counts"] == {"total": lines, "completed": lines - len(BAD), "failed": len(BAD)}
    outputs, errors = read(server, ended["output_file_id"]), read(server, ended["error_file_id"])
    assert errors == [f"line {number}" for number in BAD]
    assert sorted([*outputs, *errors]) == sorted(f"line {number}" for number in range(lines))
    for number in range(1, lines + 1):
        events = server.events(line_id(batch, number))
        assert [event for event in events if event in ENDS] == events[-1:]


def _ended(server: ServerProcess, batch: str) -> dict[str, Any] | None:
    now: dict[str, Any] = server.get(f"/v1/batches/{batch}")
    return now if now["status"] in ("completed", "failed", "expired", "cancelled") else None
