"""Cancel against completion, over HTTP: whoever wins, there is one end, and everybody sees the same one."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest_asyncio
from websockets.asyncio.client import connect

from tests.acceptance.client import TERMINAL, text_of
from tests.servers import ServerProcess

RACES = 200
AT_ONCE = 8
WORDS = 8
SCRIPT = {"metadata": {"scripted": json.dumps({"tokens": WORDS, "delay_ms": 2})}}
ENDS = {"ResultStored": "completed", "JobCancelled": "cancelled"}
Frames = list[dict[str, Any]]


class Race:
    """One job, its readers, and a cancel after so many words: with all of them shown, completion is on its way."""

    def __init__(self, server: ServerProcess, http: httpx.AsyncClient) -> None:
        self._server = server
        self._http = http
        self._due = asyncio.Event()

    async def run(self, words: int) -> str:
        """The status in which the job ended, once everything about it was found right."""
        reply = await self._http.post("/async-generate", json={"model": "scripted", "prompt": "Run.", **SCRIPT})
        self._id = reply.json()["job_id"]
        async with asyncio.TaskGroup() as tasks:
            early = [tasks.create_task(self._read(cursor, words)) for cursor in (None, 4, 6)]
            await self._due.wait()
            status = await self._cancel()
            late = tasks.create_task(self._read(None, words))
        await self._check_streams(status, [reader.result() for reader in [*early, late]])
        return status

    async def _cancel(self) -> str:
        """The status that the cancel's answer gives, which is then the status for ever."""
        reply = await self._http.post(f"/jobs/{self._id}/cancel")
        seen = await asyncio.gather(*(self._get(path) for path in self._paths()))
        status = str(seen[0]["status"])
        assert status in TERMINAL
        assert reply.status_code == (200 if status == "cancelled" else 400), reply.text
        self._seen = seen
        return status

    async def _check_streams(self, status: str, streams: list[Frames]) -> None:
        first, *resumed, late = [[frame for frame in frames if frame["type"] != "event"] for frames in streams]
        assert late == first
        for frames in [first, *resumed]:
            assert frames == first[len(first) - len(frames) :]
            assert [frame["type"] for frame in frames].index("end") == len(frames) - 1
        assert first[-1]["status"] == status
        assert await asyncio.gather(*(self._get(path) for path in self._paths())) == self._seen
        events = [event["type"] for event in (await self._get(f"/jobs/{self._id}/events"))["data"]]
        assert [ENDS[event] for event in events if event in ENDS] == [status]
        assert events[-1] in ENDS

    async def _read(self, cursor: int | None, words: int) -> Frames:
        query = "" if cursor is None else f"?starting_after={cursor}"
        frames: Frames = []
        async with connect(f"{self._server.socket_url}/jobs/{self._id}/stream{query}", open_timeout=60) as socket:
            async for message in socket:
                frames.append(json.loads(message))
                if cursor is None and len(text_of(frames).split()) >= words:
                    self._due.set()
        return frames

    async def _get(self, path: str) -> dict[str, Any]:
        reply = await self._http.get(path)
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def _paths(self) -> list[str]:
        return [f"/jobs/{self._id}", f"/v1/responses/{self._id}"]


@pytest_asyncio.fixture
async def http(monolith: ServerProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=monolith.url, timeout=60) as client:
        yield client


async def test_a_cancel_that_races_with_completion_leaves_one_end_for_everybody(
    monolith: ServerProcess, http: httpx.AsyncClient
) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def race(number: int) -> str:
        async with turns:
            return await Race(monolith, http).run(number % (WORDS + 1))

    outcomes = Counter(await asyncio.gather(*(race(number) for number in range(RACES))))
    assert outcomes.keys() == {"cancelled", "completed"}
