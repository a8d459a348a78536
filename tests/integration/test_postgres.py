"""The whole system with its journal and token log in Postgres."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from actors.stores import ForeignStoreError
from configs.settings import MonolithSettings
from deployments.monolith import Monolith
from tests.postgres import PostgresServer


@asynccontextmanager
async def monolith(folder: Path, database: str) -> AsyncIterator[httpx.AsyncClient]:
    house = Monolith(MonolithSettings(models=["scripted"], data=str(folder), database=database))
    await house.start()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(house.app), base_url="http://heliograph") as client:
        yield client
    await house.stop()


async def ended(client: httpx.AsyncClient, path: str) -> str:
    async with asyncio.timeout(60):
        while (status := (await client.get(path)).json()["status"]) in ("queued", "in_progress"):
            await asyncio.sleep(0.05)
    return str(status)


async def test_a_job_is_done_with_everything_in_postgres_and_is_there_after_a_restart(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.new_database()
    async with monolith(tmp_path, url) as client:
        reply = await client.post("/async-generate", json={"model": "scripted", "prompt": "Hi " * 4000})
        path = reply.json()["links"]["self"]
        assert await ended(client, path) == "completed"
        before = (await client.get(path)).json()
    async with monolith(tmp_path, url) as client:
        assert (await client.get(path)).json() == before
        assert (await client.get("/jobs", params={"model": "\0"})).json()["data"] == []
    assert not list(tmp_path.glob("*.sqlite*"))
    assert {file.name for file in tmp_path.glob("*.uuid*")} == {"journal-0.uuid", "tokens-0.uuid"}
    assert list((tmp_path / "blobs").rglob("*"))  # what is above 8 KiB


async def test_a_folder_that_has_jobs_in_files_does_not_start_on_an_empty_database(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    async with monolith(tmp_path, ""):
        pass
    with pytest.raises(ForeignStoreError):
        Monolith(MonolithSettings(models=["scripted"], data=str(tmp_path), database=postgres.new_database()))
