"""A store without space, and one that stands still: refusals say when to come again, and nothing accepted is lost."""

import asyncio
import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import httpx
import pytest

from configs.settings import CONFIGS
from tests.servers import ServerProcess

TERMINAL_EVENTS = {"ResultStored", "JobIncomplete", "JobFailed", "JobCancelled", "JobDeadLettered"}
SLOW = {"metadata": {"scripted": json.dumps({"tokens": 16, "delay_ms": 50})}}
SUBMITS = 50


class SmallDisk:
    """A file system of its own, which can be filled to the last byte."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 16, 1):
                self._write_until_full(file.fileno(), bytes(size))

    def free(self) -> None:
        self._ballast.unlink()

    def _write_until_full(self, descriptor: int, data: bytes) -> None:
        try:
            while os.write(descriptor, data):
                pass
        except OSError:
            return


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=16m", "none", folder], check=False)
    if mounted.returncode:
        pytest.skip("it takes root to mount a small file system")
    yield SmallDisk(folder)
    subprocess.run(["/bin/umount", folder], check=True)


@pytest.fixture
def server_on_disk(disk: SmallDisk) -> Iterator[ServerProcess]:
    """With its data there, and what it logs too."""
    server = ServerProcess(CONFIGS / "monolith.yaml", disk.folder / "data", model="scripted")
    server.start()
    yield server
    server.stop()


def test_a_full_disk_refuses_and_accepted_jobs_are_done_when_there_is_space(
    server_on_disk: ServerProcess, disk: SmallDisk
) -> None:
    server = server_on_disk
    jobs = [server.submit(**SLOW) for _ in range(SUBMITS)]
    disk.fill()
    with httpx.Client(base_url=server.url, timeout=60) as http:
        for size in (10_000, 10):  # a file of its own, and a row
            jobs += _submit_until_refused(http, size)
        assert http.get(f"/jobs/{jobs[0]}").status_code == 200
    disk.free()
    jobs.append(server.submit())
    _check_completed(server, jobs)


async def test_a_store_that_stands_still_makes_callers_wait_or_come_again_and_loses_nothing(
    monolith: ServerProcess,
) -> None:
    with closing(sqlite3.connect(monolith.data / "journal-0.sqlite", isolation_level=None)) as other:
        async with httpx.AsyncClient(base_url=monolith.url, timeout=60) as http:
            other.execute("BEGIN IMMEDIATE")
            submits = [asyncio.create_task(_submit(http, number)) for number in range(SUBMITS)]
            await asyncio.wait(submits, return_when=asyncio.FIRST_COMPLETED)
            assert (await http.get("/jobs")).status_code == 200
            other.execute("ROLLBACK")
            first = await asyncio.gather(*submits)
            again = await asyncio.gather(*(_submit(http, number) for number in range(SUBMITS)))
    refused = [reply for reply in first if reply.status_code != 202]
    assert {(reply.status_code, reply.headers["retry-after"]) for reply in refused} == {(503, "1")}
    jobs = [reply.json()["job_id"] for reply in again]
    assert {reply.json()["job_id"] for reply in first if reply.status_code == 202} <= set(jobs)
    assert len(set(jobs)) == SUBMITS
    await asyncio.to_thread(_check_completed, monolith, jobs)


async def _submit(http: httpx.AsyncClient, number: int) -> httpx.Response:
    body = {"model": "scripted", "prompt": f"Number {number}"}
    return await http.post("/async-generate", json=body, headers={"Idempotency-Key": f"still {number}"})


def _submit_until_refused(http: httpx.Client, size: int) -> list[str]:
    """The jobs that were still accepted; the log that is written ahead may have space left over from before."""
    accepted: list[str] = []
    for number in count():
        reply = http.post("/async-generate", json={"model": "scripted", "prompt": f"{number} {'x' * size}"})
        if reply.status_code == 503:
            assert reply.headers["retry-after"] == "1"
            return accepted
        assert reply.status_code == 202, reply.text
        accepted.append(reply.json()["job_id"])
    raise AssertionError


def _check_completed(server: ServerProcess, jobs: list[str]) -> None:
    assert {server.finish(job)["status"] for job in jobs} == {"completed"}
    for job in jobs:
        assert len(TERMINAL_EVENTS.intersection(events := server.events(job))) == 1
        assert events.count("ResultStored") == 1
