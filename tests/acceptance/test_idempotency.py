"""`Idempotency-Key`: twins that come at the same moment are one job."""

import asyncio

import httpx

from tests.acceptance.client import PAUSE_S, TERMINAL
from tests.servers import ServerProcess

PAIRS = 100


async def test_a_hundred_pairs_of_twins_are_a_hundred_jobs(server: ServerProcess) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        before = await _submit(http, "before")
        twins = await asyncio.gather(*(_submit(http, f"twin-{n // 2}") for n in range(2 * PAIRS)))
        assert {reply.status_code for reply in twins} == {202}
        for first, second in zip(twins[::2], twins[1::2], strict=True):
            assert first.json()["job_id"] == second.json()["job_id"]
            assert sorted("idempotent-replayed" in reply.headers for reply in (first, second)) == [False, True]
        page = {"order": "asc", "after": before.json()["job_id"], "limit": "100"}
        async with asyncio.timeout(60):
            while not all(job["status"] in TERMINAL for job in (await http.get("/jobs", params=page)).json()["data"]):
                await asyncio.sleep(PAUSE_S)
        jobs = (await http.get("/jobs", params=page)).json()
        assert {job["job_id"] for job in jobs["data"]} == {reply.json()["job_id"] for reply in twins}
        assert (len(jobs["data"]), jobs["has_more"]) == (PAIRS, False)


async def _submit(http: httpx.AsyncClient, key: str) -> httpx.Response:
    body = {"model": "scripted", "prompt": key}
    return await http.post("/async-generate", json=body, headers={"Idempotency-Key": f"{__name__} {key}"})
