"""The whole monolith with a scripted index, and the real client: files are indexed, searched, and survive a restart."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Self

import httpx2
import pytest
from openai import AsyncOpenAI

from actors.journal import attachments
from actors.journal.protocol import JournalApi, Places
from actors.objects import Objects
from configs.settings import MonolithSettings
from deployments.knowledge import removals
from deployments.knowledge.knowledge import Knowledge
from deployments.monolith import Monolith
from pipelines.ports import Ports
from tests.scripted_knowledge import ScriptedKnowledge


class House:
    """A monolith, its index, and a client."""

    def __init__(self, folder: Path) -> None:
        settings = MonolithSettings(models=["scripted"], encoder="scripted", data=str(folder))
        self.monolith = Monolith(settings, self._open)
        self.client = AsyncOpenAI(
            base_url="http://house/v1",
            api_key="none",
            max_retries=0,
            http_client=httpx2.AsyncClient(transport=httpx2.ASGITransport(self.monolith.app)),
            _strict_response_validation=True,
        )

    def _open(self, journal: JournalApi, places: Places, ports: Ports) -> Knowledge:
        self.index = ScriptedKnowledge(journal, Objects(places.objects), ports)
        return Knowledge(api=self.index, finder=self.index, indexer=self.index, remover=self.index)

    async def __aenter__(self) -> Self:
        await self.monolith.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()
        await self.monolith.stop()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)


async def test_two_hundred_files_are_indexed_and_found(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        store = (await house.client.vector_stores.create(name="Notes")).id
        batch = await house.client.vector_stores.file_batches.upload_and_poll(
            store, files=[(f"{number}.txt", f"word{number} all".encode()) for number in range(200)], max_concurrency=20
        )
        assert (batch.status, batch.file_counts.completed) == ("completed", 200)
        found = await house.client.vector_stores.search(store, query="word77")
        assert [hit.filename for hit in found.data] == ["77.txt"]
        assert max(house.index.batches) > 10  # as files come together, they are indexed together
        made = await house.client.vector_stores.retrieve(store)
        assert (made.status, made.file_counts.total) == ("completed", 200)


async def test_what_was_not_indexed_is_after_a_restart(tmp_path: Path) -> None:
    files = [("a.txt", b"one"), ("slow.txt", b"two"), ("c.txt", b"three")]
    async with House(tmp_path) as house:
        store = (await house.client.vector_stores.create()).id
        ids = [(await house.client.files.create(file=file, purpose="assistants")).id for file in files]
        batch = await house.client.vector_stores.file_batches.create(store, file_ids=ids)
        await house.index.started.wait()
        assert (await house.client.vector_stores.retrieve(store)).status == "in_progress"
    async with House(tmp_path) as house:
        house.index.let_go.set()
        batch = await house.client.vector_stores.file_batches.poll(batch.id, vector_store_id=store)
        assert (batch.status, batch.file_counts.completed) == ("completed", 3)


async def test_a_detached_file_stops_its_indexing_and_leaves_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "REMOVAL_S", 0.0)
    monkeypatch.setattr(removals, "IDLE_S", 0.01)
    async with House(tmp_path) as house:
        client = house.client.vector_stores
        store = (await client.create()).id
        done = await client.files.upload_and_poll(vector_store_id=store, file=("a.txt", b"one"))
        slow = await client.files.upload(vector_store_id=store, file=("slow.txt", b"two"))
        await house.index.started.wait()
        for file in (done, slow):
            await client.files.delete(file.id, vector_store_id=store)
        await until(lambda: house.index.closed == 1)
        await until(lambda: house.index.chunks["default", store] == {})
        await client.delete(store)
        await until(lambda: not house.index.chunks)
