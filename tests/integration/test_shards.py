"""Several shards in one process: tenants are spread, each sees all that is its own, and the number never changes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.sharding import home_of
from actors.shards import journal_file
from actors.stores import ForeignStoreError, ShardCountError
from configs.settings import MonolithSettings
from deployments.monolith import Monolith
from events.ids import shard_of
from tests.postgres import PostgresServer

TENANTS = {f"token-of-{name}": name for name in ("default", "acme", "bob", "alice", "t2")}


@asynccontextmanager
async def monolith(folder: Path, *, shards: int = 2, database: str = "") -> AsyncIterator[httpx.AsyncClient]:
    settings = MonolithSettings(
        models=["scripted"], data=str(folder), shards=shards, database=database, tenants=TENANTS
    )
    house = Monolith(settings)
    await house.start()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(house.app), base_url="http://heliograph") as client:
        try:
            yield client
        finally:
            await house.stop()


async def ask(client: httpx.AsyncClient, token: str, method: str, path: str, **more: Any) -> Any:
    reply = await client.request(method, path, headers={"Authorization": f"Bearer {token}"}, **more)
    return reply.json()


async def done(client: httpx.AsyncClient, token: str, number: int) -> str:
    """A job of the tenant's that has completed, and whose stream says so."""
    posted = await ask(client, token, "POST", "/async-generate", json={"model": "scripted", "prompt": f"No. {number}"})
    headers = {"Authorization": f"Bearer {token}"}
    async with client.stream("GET", posted["links"]["response"], params={"stream": "true"}, headers=headers) as stream:
        lines = [line async for line in stream.aiter_lines() if line.startswith("data: {")]
    assert json.loads(lines[-1].removeprefix("data: "))["type"] == "response.completed", lines
    job_id: str = posted["job_id"]
    return job_id


async def test_jobs_of_all_tenants_are_done_and_each_sees_its_own(tmp_path: Path) -> None:
    async with monolith(tmp_path) as client, asyncio.timeout(60):
        jobs = {token: await asyncio.gather(*(done(client, token, n) for n in range(3))) for token in TENANTS}
        assert {shard_of(job_id) for ids in jobs.values() for job_id in ids} == {0, 1}
        for token, ids in jobs.items():
            assert {shard_of(job_id) for job_id in ids} == {home_of(TENANTS[token], 2)}
            assert {job["job_id"] for job in (await ask(client, token, "GET", "/jobs"))["data"]} == set(ids)
            (other,) = [each for each in TENANTS if TENANTS[each] == ("acme" if TENANTS[token] != "acme" else "bob")]
            assert (await ask(client, other, "GET", f"/jobs/{ids[0]}"))["error"]["code"] == "response_not_found"
    async with monolith(tmp_path) as client:
        for token, ids in jobs.items():
            assert (await ask(client, token, "GET", f"/jobs/{ids[0]}"))["status"] == "completed"


async def test_what_is_stored_for_a_tenant_is_found_again(tmp_path: Path) -> None:
    async with monolith(tmp_path) as client, asyncio.timeout(60):
        for token in TENANTS:
            turn = await ask(client, token, "POST", "/v1/responses", json={"model": "scripted", "input": "One"})
            assert turn["status"] == "completed", json.dumps(turn)
            body = {"model": "scripted", "input": "Two", "previous_response_id": turn["id"]}
            assert (await ask(client, token, "POST", "/v1/responses", json=body))["status"] == "completed"
            conversation = await ask(client, token, "POST", "/v1/conversations", json={})
            path = f"/v1/conversations/{conversation['id']}"
            assert (await ask(client, token, "GET", path))["id"] == conversation["id"]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.parametrize(("created", "wanted"), [(1, 2), (2, 1), (2, 3)])
async def test_a_start_with_another_number_is_refused_and_changes_nothing(
    kind: str, created: int, wanted: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    database = ""
    if kind == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        database = server.new_database()
    async with monolith(tmp_path, shards=created, database=database):
        pass
    with pytest.raises(ShardCountError, match=rf"shards: {created}.*shards: {wanted}"):
        Monolith(MonolithSettings(models=["scripted"], data=str(tmp_path), shards=wanted, database=database))
    async with monolith(tmp_path, shards=created, database=database):
        pass


async def test_a_shard_that_is_lost_is_not_made_anew(tmp_path: Path) -> None:
    async with monolith(tmp_path):
        pass
    for file in tmp_path.glob("journal-1.*"):
        file.unlink()
    with pytest.raises(ForeignStoreError, match="journal-1"):
        Monolith(MonolithSettings(models=["scripted"], data=str(tmp_path), shards=2))
    assert not journal_file(tmp_path, 1).exists()
