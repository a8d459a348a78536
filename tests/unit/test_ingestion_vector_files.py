"""The files of vector stores, and batches of them, with the real client; a scripted index in memory."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from actors.journal.limits import Limits, TenantLimits
from tests.ingestion_house import House

PATH = "/v1/vector_stores"
NOBODY = "vsfb_" + "0" * 28


@pytest.fixture
def client(house: House) -> AsyncOpenAI:
    return house.sdk()


@pytest.fixture
async def store(client: AsyncOpenAI) -> str:
    return (await client.vector_stores.create()).id


@pytest.fixture
async def indexing(house: House) -> AsyncIterator[None]:
    """Whatever waits is indexed, while the test runs."""

    async def run() -> None:
        while True:
            await house.index()
            await asyncio.sleep(0)

    task = asyncio.create_task(run())
    yield
    task.cancel()


async def upload(client: AsyncOpenAI, *names: str) -> list[str]:
    return [(await client.files.create(file=(name, b"one two"), purpose="assistants")).id for name in names]


async def refused(house: House, path: str, **body: Any) -> tuple[int, str, str | None]:
    reply = await house.client.post(PATH + path, json=body)
    error = reply.json()["error"]
    return reply.status_code, error["code"], error["param"]


async def test_a_file_is_indexed_in_the_background(house: House, client: AsyncOpenAI, store: str) -> None:
    (file,) = await upload(client, "a.txt")
    reply = await client.vector_stores.files.with_raw_response.create(store, file_id=file, attributes={"a": 1.5})
    made = reply.parse()
    assert reply.headers["openai-poll-after-ms"] == "250"
    assert (made.id, made.status, made.vector_store_id, made.last_error) == (file, "in_progress", store, None)
    assert made.chunking_strategy is not None
    assert made.chunking_strategy.model_dump() == {
        "type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}
    }  # fmt: skip
    with pytest.raises(openai.BadRequestError, match="in_progress"):
        await client.vector_stores.files.content(file, vector_store_id=store)
    await house.index()
    done = await client.vector_stores.files.retrieve(file, vector_store_id=store)
    assert (done.status, done.usage_bytes, done.attributes) == ("completed", 7, {"a": 1.5})
    content = await client.vector_stores.files.content(file, vector_store_id=store)
    assert [(part.type, part.text) for part in content.data] == [("text", "one two")]
    changed = await client.vector_stores.files.update(file, vector_store_id=store, attributes={"b": True})
    assert changed.attributes == {"b": True}
    gone = await client.vector_stores.files.delete(file, vector_store_id=store)
    assert (gone.id, gone.object, gone.deleted) == (file, "vector_store.file.deleted", True)
    with pytest.raises(openai.NotFoundError, match="not found in this vector store"):
        await client.vector_stores.files.retrieve(file, vector_store_id=store)
    assert (await client.files.retrieve(file)).id == file


@pytest.mark.usefixtures("indexing")
async def test_the_clients_pollers_see_the_end(client: AsyncOpenAI, store: str) -> None:
    polled = await client.vector_stores.files.upload_and_poll(vector_store_id=store, file=("a.txt", b"one"))
    assert (polled.status, polled.usage_bytes) == ("completed", 3)
    bad = await client.vector_stores.files.upload_and_poll(vector_store_id=store, file=("a.bin", b"one"))
    assert bad.last_error is not None
    assert (bad.status, bad.last_error.code) == ("failed", "unsupported_file")
    batch = await client.vector_stores.file_batches.upload_and_poll(
        store, files=[(f"{number}.txt", b"one") for number in range(4)], file_ids=[polled.id]
    )
    assert (batch.status, batch.file_counts.completed, batch.file_counts.total) == ("completed", 5, 5)


async def test_files_are_listed_by_status_and_both_ways(house: House, client: AsyncOpenAI, store: str) -> None:
    files = await upload(client, "a.txt", "b.bin", "c.txt")
    for file in files:
        await client.vector_stores.files.create(store, file_id=file)
    await house.index()
    listed = [file.id async for file in client.vector_stores.files.list(store, limit=1)]
    assert sorted(listed) == sorted(files)
    assert [file.id async for file in client.vector_stores.files.list(store, order="asc")] == listed[::-1]
    failed = [file async for file in client.vector_stores.files.list(store, filter="failed")]
    assert [file.id for file in failed] == [files[1]]
    page = await client.vector_stores.files.list(store, before=listed[2], limit=1)
    assert [file.id for file in page.data] == [listed[1]]
    with pytest.raises(openai.BadRequestError, match="Unknown cursor"):
        await client.vector_stores.files.list(store, after="file-none")
    reply = await house.client.get(f"{PATH}/{store}/files?filter=odd")
    assert reply.json()["error"]["param"] == "filter"


async def test_a_batch_ends_with_its_files(house: House, client: AsyncOpenAI, store: str) -> None:
    files = await upload(client, "a.txt", "b.bin")
    batch = await client.vector_stores.file_batches.create(store, file_ids=files, attributes={"k": "v"})
    assert (batch.object, batch.status, batch.file_counts.in_progress) == ("vector_store.files_batch", "in_progress", 2)
    await house.index()
    batch = await client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store)
    assert (batch.status, batch.file_counts.completed, batch.file_counts.failed) == ("completed", 1, 1)
    listed = [
        file
        async for file in client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store, order="asc")
    ]
    assert sorted(file.id for file in listed) == sorted(files)
    assert [file.attributes for file in listed] == [{"k": "v"}] * 2
    only = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store, filter="completed")
    assert [file.id async for file in only] == [files[0]]


async def test_a_batch_of_bad_files_has_failed(house: House, client: AsyncOpenAI, store: str) -> None:
    files = [{"file_id": file} for file in await upload(client, "a.bin", "b.bin")]
    batch = await client.vector_stores.file_batches.create(store, files=files)  # type: ignore[arg-type]
    await house.index()
    assert (await client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store)).status == "failed"


async def test_each_file_of_a_batch_may_have_its_own_way(house: House, client: AsyncOpenAI, store: str) -> None:
    one, two = await upload(client, "a.txt", "b.txt")
    chunks: Any = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 50}}
    files: Any = [{"file_id": one, "attributes": {"n": 1}, "chunking_strategy": chunks}, {"file_id": two}]
    await client.vector_stores.file_batches.create(store, files=files)
    await house.index()
    first = await client.vector_stores.files.retrieve(one, vector_store_id=store)
    second = await client.vector_stores.files.retrieve(two, vector_store_id=store)
    assert (first.attributes, second.attributes) == ({"n": 1.0}, {})
    assert first.chunking_strategy is not None
    assert first.chunking_strategy.model_dump() == chunks


async def test_a_cancelled_batch_indexes_no_more(house: House, client: AsyncOpenAI, store: str) -> None:
    files = await upload(client, "a.txt", "b.txt")
    batch = await client.vector_stores.file_batches.create(store, file_ids=files)
    batch = await client.vector_stores.file_batches.cancel(batch.id, vector_store_id=store)
    assert (batch.status, batch.file_counts.cancelled) == ("cancelled", 2)
    await house.index()
    assert house.knowledge.batches == []
    assert (await client.vector_stores.files.retrieve(files[0], vector_store_id=store)).status == "cancelled"


async def test_a_file_alone_comes_before_those_of_a_batch(house: House, client: AsyncOpenAI, store: str) -> None:
    *many, one = await upload(client, "a.txt", "b.txt", "c.txt", "one.txt")
    await client.vector_stores.file_batches.create(store, file_ids=many)
    await client.vector_stores.files.create(store, file_id=one)
    claims = await house.claim_files()
    found = [claim.payloads[claim.request].decode() for claim in claims]
    assert one in found[0]


async def test_what_cannot_be_taken_is_refused(house: House, client: AsyncOpenAI, store: str) -> None:
    files, batches = f"/{store}/files", f"/{store}/file_batches"
    assert await refused(house, files) == (400, "missing_required_parameter", "file_id")
    assert await refused(house, files, file_id="file-none") == (400, "invalid_value", "file_id")
    (file,) = await upload(client, "a.txt")
    for attributes in ({"a": "x" * 513}, {"x" * 65: 1}, {str(number): 1 for number in range(17)}):
        assert (await refused(house, files, file_id=file, attributes=attributes))[:2] == (400, "invalid_value")
    for value in (None, [1], {"b": 1}):
        assert await refused(house, files, file_id=file, attributes={"a": value}) == (
            400,
            "invalid_type",
            "attributes.a",
        )
    assert (await refused(house, batches))[:2] == (400, "missing_required_parameter")
    both = {"file_ids": [file], "files": [{"file_id": file}]}
    assert (await refused(house, batches, **both))[:2] == (400, "invalid_value")
    assert await refused(house, batches, file_ids=[]) == (400, "invalid_value", "file_ids")
    assert await refused(house, batches, file_ids=[file] * 2001) == (400, "invalid_value", "file_ids")
    assert await refused(house, batches, file_ids=[file, "file-none"]) == (400, "invalid_value", "file_ids")
    assert await refused(house, f"{files}/{file}", attributes={}) == (404, "vector_store_file_not_found", "file_id")
    assert await refused(house, f"{batches}/{NOBODY}/cancel") == (404, "file_batch_not_found", "batch_id")
    reply = await house.client.get(f"{PATH}{batches}/{NOBODY}/files")
    assert reply.json()["error"]["code"] == "file_batch_not_found"
    assert (await client.vector_stores.retrieve(store)).file_counts.total == 0


@pytest.mark.parametrize("limits", [Limits(backlog=1), Limits(tenants={"*": TenantLimits(jobs=1)})])
async def test_where_too_many_jobs_are_open_files_are_refused_for_now(tmp_path: Any, limits: Limits) -> None:
    house = House(tmp_path, limits=limits)
    client = house.sdk()
    store, files = (await client.vector_stores.create()).id, await upload(client, "a.txt", "b.txt")
    with pytest.raises(openai.RateLimitError) as caught:
        await client.vector_stores.file_batches.create(store, file_ids=files)
    assert caught.value.response.headers["retry-after"] == "10"
    await client.vector_stores.files.create(store, file_id=files[0])
    await house.close()


async def test_a_job_that_indexes_is_no_response(house: House, client: AsyncOpenAI, store: str) -> None:
    (file,) = await upload(client, "a.txt")
    await client.vector_stores.files.create(store, file_id=file)
    (job,) = (await house.client.get("/jobs")).json()["data"]
    assert (job["step"], job["model"], sorted(job["links"])) == ("index", "scripted", ["events", "self", "stream"])
    response = f"/v1/responses/{job['id']}"
    replies = [await house.client.get(response), await house.client.get(f"{response}?stream=true")]
    replies += [await house.client.get(f"{response}/input_items"), await house.client.delete(response)]
    replies += [await house.client.post(f"{response}/cancel")]
    assert [reply.status_code for reply in replies] == [404] * 5
    body = {"model": "scripted", "input": "Hi", "background": True, "previous_response_id": job["id"]}
    reply = await house.client.post("/v1/responses", json=body)
    assert reply.json()["error"]["code"] == "previous_response_not_found"
    assert (await house.client.post(f"/jobs/{job['id']}/cancel")).json()["status"] == "cancelled"
    assert (await client.vector_stores.files.retrieve(file, vector_store_id=store)).status == "cancelled"


async def test_a_key_makes_one_batch_and_one_store(house: House, client: AsyncOpenAI, store: str) -> None:
    files = await upload(client, "a.txt", "b.txt")
    key = {"idempotency-key": "word"}
    path, body = f"{PATH}/{store}/file_batches", {"file_ids": files}
    first, second = [await house.client.post(path, json=body, headers=key) for _ in range(2)]
    assert first.json()["id"] == second.json()["id"]
    assert ["idempotent-replayed" in reply.headers for reply in (first, second)] == [False, True]
    other = await house.client.post(path, json={"file_ids": files[:1]}, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert other.headers["x-should-retry"] == "false"
    stores = [await house.client.post(PATH, json={"name": "a"}, headers=key) for _ in range(2)]
    assert stores[0].json() == stores[1].json()
    assert stores[1].headers["idempotent-replayed"] == "true"
