"""kill -9 of knowledge, while files are indexed and while jobs search: nothing is lost, and no chunk is there twice."""

import asyncio
from pathlib import Path
from typing import Any

import lancedb
import pytest
from openai import OpenAI

from tests.servers import ServerProcess, until

KNOWLEDGE = "ray::ServeReplica:knowledge"
FILES = 200
SEARCHES = 20

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


@pytest.fixture
def sdk(event_driven: ServerProcess) -> Any:
    with OpenAI(base_url=f"{event_driven.url}/v1", api_key="none", max_retries=10) as client:
        yield client


async def chunk_ids(index: Path, store: str) -> list[str]:
    """The ids of all chunks of a store, as the index has them."""
    database = await lancedb.connect_async(index)
    ids: list[str] = []
    for name in (await database.list_tables()).tables:
        rows = await (await database.open_table(name)).query().select(["id", "text"]).to_arrow()
        ids += [row["id"] for row in rows.to_pylist() if store in row["text"]]
    return ids


@pytest.mark.long
def test_two_hundred_files_are_indexed_once_whoever_dies_meanwhile(sdk: Any, event_driven: ServerProcess) -> None:
    store = sdk.vector_stores.create(name="many").id
    files = [
        sdk.files.create(file=(f"{n}.txt", f"Note {n} of {store}.".encode()), purpose="assistants").id
        for n in range(FILES)
    ]
    batch = sdk.vector_stores.file_batches.create(store, file_ids=files)

    def counts() -> Any:
        return sdk.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store).file_counts

    until(lambda: counts().completed > 0, seconds=120, what="the first file")
    assert counts().in_progress > 0
    event_driven.kill(KNOWLEDGE)
    until(lambda: counts().in_progress == 0, seconds=240, what="the last file")
    assert (counts().completed, counts().failed) == (FILES, 0)
    ids = asyncio.run(chunk_ids(event_driven.data / "index" / "tables", store))
    assert (len(ids), len(set(ids))) == (FILES, FILES)


def test_jobs_that_search_complete_after_the_death_of_knowledge(sdk: Any, event_driven: ServerProcess) -> None:
    store = sdk.vector_stores.create(name="few").id
    sdk.vector_stores.files.upload_and_poll(vector_store_id=store, file=("a.txt", b"Rays of light. Mirrors signal."))
    tool = {"type": "file_search", "vector_store_ids": [store]}

    def ask() -> str:
        asked: dict[str, Any] = {"model": "scripted", "input": "What are rays?", "tools": [tool], "background": True}
        return str(sdk.responses.create(**asked).id)

    jobs = [ask() for _ in range(SEARCHES)]
    event_driven.kill(KNOWLEDGE)
    jobs += [ask() for _ in range(3)]
    assert [event_driven.finish(job, seconds=120)["status"] for job in jobs] == ["completed"] * len(jobs)
    for job in jobs:
        events = event_driven.events(job)
        assert (events.count("ContextRetrieved"), events.count("PromptRendered"), events.count("ResultStored")) == (
            1,
            1,
            1,
        )
        search, message = sdk.responses.retrieve(job).output
        assert search.type == "file_search_call"
        assert [cited.filename for cited in message.content[0].annotations] == ["a.txt"]
