"""The whole monolith with more work than it may keep: the surplus is refused, and what was accepted is done."""

import asyncio
from collections import Counter
from pathlib import Path

import httpx

from configs.settings import MonolithSettings
from deployments.monolith import Monolith

LIMIT = 1000
SUBMITS = 5000
AT_ONCE = 50
BODY = {"model": "scripted", "prompt": "Hi"}


async def test_of_5000_submits_a_thousand_are_accepted_and_all_of_them_are_done_once_workers_run(
    tmp_path: Path,
) -> None:
    house = Monolith(MonolithSettings(models=["scripted"], data=str(tmp_path), backlog_limit=LIMIT))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(house.app), base_url="http://heliograph") as http:
        replies = await _submit_many(http)
        assert Counter(reply.status_code for reply in replies) == {202: LIMIT, 429: SUBMITS - LIMIT}
        refused = [reply for reply in replies if reply.status_code == 429]
        assert {reply.headers["retry-after"] for reply in refused} == {"1"}
        assert {reply.json()["error"]["code"] for reply in refused} == {"rate_limit_exceeded"}
        await house.start()
        accepted = {reply.json()["job_id"] for reply in replies if reply.status_code == 202}
        assert await _completed(http) == accepted
        assert (await http.post("/async-generate", json=BODY)).status_code == 202
    await house.stop()


async def _submit_many(http: httpx.AsyncClient) -> list[httpx.Response]:
    async def send() -> list[httpx.Response]:
        return [await http.post("/async-generate", json=BODY) for _ in range(SUBMITS // AT_ONCE)]

    return [reply for replies in await asyncio.gather(*(send() for _ in range(AT_ONCE))) for reply in replies]


async def _completed(http: httpx.AsyncClient) -> set[str]:
    """The ids of the completed jobs, once none is open."""
    async with asyncio.timeout(60):
        while await _list(http, status="queued") or await _list(http, status="in_progress"):
            await asyncio.sleep(0.05)
    found: list[str] = []
    while page := await _list(http, status="completed", **({"after": found[-1]} if found else {})):
        found += page
    assert len(found) == len(set(found))
    return set(found)


async def _list(http: httpx.AsyncClient, **query: str) -> list[str]:
    reply = await http.get("/jobs", params={"limit": "100", **query})
    return [job["job_id"] for job in reply.json()["data"]]
