"""The command line against a server of its own, and the server's life from start to stop."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from configs.settings import CONFIGS
from heliograph.cli import app
from tests.batch_crew import chat_line
from tests.servers import HELIOGRAPH, ServerProcess, until

STOP_S = 20  # promised


class Terminal:
    """Types commands to one server."""

    def __init__(self, server: ServerProcess) -> None:
        self.url = server.url

    def run(self, *arguments: str, exit_code: int = 0) -> str:
        result = CliRunner().invoke(app, [*arguments, "--url", self.url])
        assert result.exit_code == exit_code, result.output
        return result.output if exit_code else result.stdout

    def submit(self, *arguments: str, exit_code: int = 0) -> str:
        return self.run("submit", "--model", "scripted", *arguments, exit_code=exit_code)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return httpx.post(f"{self.url}{path}", json=body).json()

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.url}{path}").json()

    def newest_batch(self) -> str:
        return str((self.get("/v1/batches?limit=1")["data"] or [{"id": ""}])[0]["id"])

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))


@pytest.fixture
def terminal(monolith: ServerProcess) -> Terminal:
    return Terminal(monolith)


def test_a_submitted_job_can_be_watched_to_its_end(terminal: Terminal) -> None:
    job_id = terminal.submit("--template", "explain", "--var", "topic=light", "--var", "audience=a child").strip()
    shown = terminal.run("watch", job_id)
    kinds = ["JobSubmitted", "PromptRendered", "InferenceStarted", "InferenceCompleted", "ResultStored"]
    assert [line.split()[2] for line in shown.splitlines() if line.lstrip()[:1].isdigit()] == kinds
    assert "completed · 16 tokens" in shown


def test_watching_at_submit_shows_the_same_text_as_waiting_for_it(terminal: Terminal) -> None:
    answer = terminal.submit("--prompt", "the same", "--wait").strip()
    assert answer
    assert answer in terminal.submit("--prompt", "the same", "--watch")


def test_frames_for_machines_are_one_json_object_a_line(terminal: Terminal) -> None:
    frames = [json.loads(line) for line in terminal.submit("--prompt", "x", "--watch", "--json").splitlines()]
    assert [frame["frame"] for frame in frames if frame["frame"] != "token"] == ["event"] * 5 + ["end"]
    assert frames[-1]["status"] == "completed"


def test_jobs_and_events_are_listed(terminal: Terminal) -> None:
    job_id = json.loads(terminal.submit("--prompt", "listed", "--wait", "--json"))["id"]
    assert job_id in terminal.run("jobs", "--status", "completed")
    assert terminal.json("jobs", "--limit", "1")["data"][0]["id"] == job_id
    assert terminal.json("events", job_id)[0]["type"] == "JobSubmitted"
    assert "ResultStored" in terminal.run("events", job_id)


def test_what_the_server_refuses_is_told_in_its_words(terminal: Terminal) -> None:
    refused = CliRunner().invoke(app, ["submit", "--model", "nope", "--prompt", "x", "--url", terminal.url])
    assert refused.exit_code == 1
    assert refused.stderr == "error: The model 'nope' does not exist.\n"
    assert "error: " in terminal.run("watch", "resp_unknown", exit_code=1)


@pytest.mark.parametrize("config", ["monolith", pytest.param("scripted", marks=pytest.mark.long)])
def test_a_server_holds_its_folder_and_leaves_nothing_when_it_is_told_to_stop(config: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = ServerProcess(CONFIGS / f"{config}.yaml", data, model="scripted")
    server.start()
    tree = server.tree()
    second = CliRunner().invoke(app, ["serve", "--config", str(CONFIGS / f"{config}.yaml"), "--data", str(data)])
    assert second.exit_code == 1
    assert f"pid {tree[0].pid}" in second.stderr
    began = time.monotonic()
    stopped = CliRunner().invoke(app, ["stop", "--data", str(data)])
    assert f"pid {tree[0].pid}" in stopped.stdout
    assert time.monotonic() - began < STOP_S
    assert server.wait() == 0
    assert [process for process in tree if process.is_running()] == []


def test_a_dead_letter_is_listed_shown_and_redriven(terminal: Terminal) -> None:
    fails = json.dumps({"fail": "raise"})
    body = {"model": "scripted", "prompt": "poison", "metadata": {"scripted": fails}}
    job_id = terminal.post("/async-generate", body)["job_id"]
    terminal.run("watch", job_id, exit_code=1)
    assert job_id in terminal.run("dead-letters", "list", "--error", "server_error")
    assert "Traceback" in terminal.run("dead-letters", "show", job_id)
    (dry,) = [item for item in terminal.json("dead-letters", "redrive", "--dry-run") if item["dead_letter"] == job_id]
    assert dry["job_id"] is None
    (redriven,) = terminal.json("dead-letters", "redrive", job_id)
    assert redriven == terminal.json("dead-letters", "redrive", job_id)[0]
    assert "JobSubmitted" in terminal.run("events", redriven["job_id"])


def test_a_file_of_requests_is_run_and_its_results_are_written(terminal: Terminal, tmp_path: Path) -> None:
    file, folder = tmp_path / "lines.jsonl", tmp_path / "results"
    lines = [chat_line("good"), chat_line("bad", metadata={"scripted": "{"})]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    written = terminal.run("batch", "run", str(file), "--out", str(folder), exit_code=3)
    assert str(folder / "output.jsonl") in written
    told = [json.loads((folder / name).read_text())["custom_id"] for name in ("output.jsonl", "errors.jsonl")]
    assert told == ["good", "bad"]
    batch = terminal.newest_batch()
    (folder / "output.jsonl").unlink()
    again = terminal.run("batch", "run", "--resume", batch, "--out", str(folder), "--json", exit_code=3)
    assert (json.loads(again.splitlines()[-1])["id"], (folder / "output.jsonl").exists()) == (batch, True)


def test_a_run_that_is_interrupted_says_how_it_is_taken_up_again(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    slow = {"scripted": json.dumps({"tokens": 16, "delay_ms": 500})}
    file.write_text("".join(f"{json.dumps(chat_line(str(n), metadata=slow))}\n" for n in range(200)))
    command = [*HELIOGRAPH, "batch", "run", str(file), "--out", str(tmp_path), "--url", terminal.url]
    before = terminal.newest_batch()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: terminal.newest_batch() != before, seconds=30, what="the batch")
        batch = terminal.newest_batch()
        until(lambda: terminal.get(f"/v1/batches/{batch}")["status"] == "in_progress", seconds=30, what="its lines")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, f"--resume {batch}" in said) == (130, True)
    terminal.post(f"/v1/batches/{batch}/cancel", {})
    terminal.run("batch", "run", "--resume", batch, "--out", str(tmp_path), exit_code=1)
    assert len((tmp_path / "errors.jsonl").read_text().splitlines()) > 0


def test_a_file_that_is_refused_tells_its_lines(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_text(f"{json.dumps(chat_line('a'))}\n{json.dumps(chat_line('a'))}\n")
    told = terminal.run("batch", "run", str(file), "--out", str(tmp_path), exit_code=1)
    assert "duplicate_custom_id" in told
    file.write_text("hello\n")
    assert "no request" in terminal.run("batch", "run", str(file), "--out", str(tmp_path), exit_code=1)
