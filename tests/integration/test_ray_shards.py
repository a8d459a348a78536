"""Two shards on Ray: one journal stands still and then dies, and only its tenants wait for it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from actors.shards import journal_file
from configs.settings import CONFIGS
from events.ids import shard_of
from tests.servers import ServerProcess, until

pytestmark = [pytest.mark.ray, pytest.mark.long]
TOKENS = {f"token-of-{name}": name for name in ("default", "bob", "acme", "alice")}
FIRST, SECOND = ("token-of-default", "token-of-bob"), ("token-of-acme", "token-of-alice")  # by shard
NEEDED = ("plane", "prompting", "inference.scripted", "history", "ingestion")


def configure(path: Path, shards: int) -> Path:
    """`configs/scripted.yaml` with tenants and shards, without what this test has no use for."""
    document: dict[str, Any] = yaml.safe_load((CONFIGS / "scripted.yaml").read_text())
    document["applications"] = [each for each in document["applications"] if each["name"] in NEEDED]
    arguments = {application["name"]: application["args"] for application in document["applications"]}
    arguments["plane"]["shards"] = shards
    arguments["ingestion"] |= {"tenants": TOKENS, "encoder": "", "encoders": []}
    path.write_text(yaml.safe_dump(document))
    return path


class Client:
    """One tenant's."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def submit(self, **body: Any) -> str:
        reply = self._client.post("/async-generate", json={"model": "scripted", "prompt": "hello", **body})
        assert reply.status_code == 202, reply.text
        job_id: str = reply.json()["job_id"]
        return job_id

    def status(self, job_id: str) -> str:
        return str(self._client.get(f"/jobs/{job_id}").json()["status"])

    def has_begun(self, job_id: str) -> bool:
        return self.status(job_id) == "in_progress"

    def completed(self, job_id: str) -> bool:
        def ended() -> str:
            status = self.status(job_id)
            return "" if status in ("queued", "in_progress") else status

        return bool(until(ended, seconds=90, what=job_id) == "completed")

    def last_event(self, job_id: str) -> str:
        """Of the job's stream."""
        with self._client.stream("GET", f"/v1/responses/{job_id}", params={"stream": "true"}) as stream:
            return [line for line in stream.iter_lines() if line.startswith("event: ")][-1]


@contextmanager
def clients_of(server: ServerProcess) -> Iterator[dict[str, Client]]:
    """One of each tenant, by its token."""
    with ExitStack() as stack:
        yield {token: Client(stack.enter_context(_http(server, token))) for token in TOKENS}


def _http(server: ServerProcess, token: str) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}, timeout=60)


@contextmanager
def running(server: ServerProcess) -> Iterator[None]:
    server.start()
    try:
        yield
    finally:
        server.stop()


def journal_process(server: ServerProcess, shard: int) -> psutil.Process:
    """The one that has the shard's file open."""
    path = str(journal_file(server.data.resolve(), shard))
    (found,) = [each for each in server.find("JournalActor") if path in {file.path for file in each.open_files()}]
    return found


def test_one_of_two_journals_dies_and_a_start_with_three_is_refused(tmp_path: Path) -> None:
    server = ServerProcess(configure(tmp_path / "two.yaml", 2), tmp_path / "data", model="scripted")
    with running(server), clients_of(server) as clients:
        jobs_of_all_are_done(clients)
        others_go_on(server, clients)
    other = ServerProcess(configure(tmp_path / "three.yaml", 3), server.data, model="scripted")
    with pytest.raises(AssertionError, match=r"shards: 2.*shards: 3"):
        other.start()


def jobs_of_all_are_done(clients: dict[str, Client]) -> None:
    jobs = {token: [client.submit() for _ in range(3)] for token, client in clients.items()}
    for token, ids in jobs.items():
        assert {shard_of(job_id) for job_id in ids} == {int(token in SECOND)}
        assert all(clients[token].completed(job_id) for job_id in ids)


def others_go_on(server: ServerProcess, clients: dict[str, Client]) -> None:
    """One journal stands still, and then dies, with a job of each tenant under way."""
    body = {"metadata": {"scripted": '{"tokens": 60, "delay_ms": 50}'}, "max_output_tokens": 100}
    jobs = {token: client.submit(**body) for token, client in clients.items()}
    for token, job_id in jobs.items():
        until(partial(clients[token].has_begun, job_id), seconds=60, what=token)
    victim = journal_process(server, 1)
    victim.suspend()
    try:
        for token in FIRST:
            more = [clients[token].submit() for _ in range(5)]
            assert all(clients[token].completed(job_id) for job_id in (*more, jobs[token]))
            assert clients[token].last_event(jobs[token]) == "event: response.completed"
    finally:
        victim.kill()
    for token in SECOND:
        more = [clients[token].submit() for _ in range(3)]
        assert all(clients[token].completed(job_id) for job_id in (jobs[token], *more))
        assert clients[token].last_event(jobs[token]) == "event: response.completed"
