"""`/v1/vector_stores` with the real client on ingestion in memory, whose index is scripted."""

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from pipelines.vector_edits import DAY_S
from tests.ingestion_house import House

PATH = "/v1/vector_stores"
NOBODY = "vs_" + "0" * 28


@pytest.fixture
def client(house: House) -> AsyncOpenAI:
    return house.sdk()


async def upload(client: AsyncOpenAI, text: str, name: str = "a.txt") -> str:
    return (await client.files.create(file=(name, text.encode()), purpose="assistants")).id


async def refused(house: House, path: str, **body: Any) -> tuple[int, str, str | None]:
    reply = await house.client.post(PATH + path, json=body)
    error = reply.json()["error"]
    return reply.status_code, error["code"], error["param"]


async def test_a_store_is_there_until_it_is_deleted(client: AsyncOpenAI) -> None:
    made = await client.vector_stores.create(
        name="Notes", metadata={"a": "b"}, expires_after={"anchor": "last_active_at", "days": 3}
    )
    assert (made.name, made.metadata, made.status, made.usage_bytes) == ("Notes", {"a": "b"}, "completed", 0)
    assert made.expires_at == made.created_at + 3 * DAY_S
    assert made.file_counts.model_dump() == {
        "cancelled": 0, "completed": 0, "failed": 0, "in_progress": 0, "total": 0
    }  # fmt: skip
    assert await client.vector_stores.retrieve(made.id) == made
    gone = await client.vector_stores.delete(made.id)
    assert (gone.id, gone.object, gone.deleted) == (made.id, "vector_store.deleted", True)
    for call in (client.vector_stores.retrieve, client.vector_stores.update, client.vector_stores.delete):
        with pytest.raises(openai.NotFoundError, match="not found"):
            await call(made.id)


async def test_what_is_given_is_changed(client: AsyncOpenAI) -> None:
    made = await client.vector_stores.create(metadata={"a": "b"})
    assert made.name == ""
    named = await client.vector_stores.update(
        made.id, name="Notes", expires_after={"anchor": "last_active_at", "days": 1}
    )
    assert (named.name, named.metadata) == ("Notes", {"a": "b"})
    assert named.expires_after is not None
    cleared = await client.vector_stores.update(made.id, name=None, metadata=None, expires_after=None)
    assert (cleared.name, cleared.metadata, cleared.expires_after, cleared.expires_at) == ("", {}, None, None)


async def test_stores_are_listed_both_ways(client: AsyncOpenAI) -> None:
    ids = [(await client.vector_stores.create(name=str(number))).id for number in range(3)]
    assert [store.id async for store in client.vector_stores.list(limit=1, order="asc")] == sorted(ids)
    newest = sorted(ids, reverse=True)
    page = await client.vector_stores.list(before=newest[2], limit=1)
    assert ([store.id for store in page.data], page.has_more) == ([newest[1]], True)
    for window in ({"after": "nobody"}, {"before": "nobody"}):
        with pytest.raises(openai.BadRequestError, match="Unknown cursor"):
            await client.vector_stores.list(**window)  # type: ignore[arg-type]


async def test_a_store_may_begin_with_files(house: House, client: AsyncOpenAI) -> None:
    files = [await upload(client, "one two"), await upload(client, "three")]
    made = await client.vector_stores.create(
        file_ids=[*files, files[0]],
        chunking_strategy={"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}},
    )
    assert (made.status, made.file_counts.in_progress, made.file_counts.total) == ("in_progress", 2, 2)
    await house.index()
    made = await client.vector_stores.retrieve(made.id)
    assert (made.status, made.file_counts.completed, made.usage_bytes) == ("completed", 2, len("one twothree"))
    with pytest.raises(openai.BadRequestError, match="not found") as caught:
        await client.vector_stores.create(file_ids=[files[0], "file-none"])
    assert (caught.value.code, caught.value.param) == ("invalid_value", "file_ids")
    assert len((await client.vector_stores.list()).data) == 1


async def test_a_search_finds_what_is_there_at_this_moment(house: House, client: AsyncOpenAI) -> None:
    store = (await client.vector_stores.create()).id
    near, far = await upload(client, "red fox", "near.txt"), await upload(client, "red house", "far.txt")
    for file in (near, far):
        await client.vector_stores.files.create(store, file_id=file, attributes={"kind": file[-3:], "n": 1})
    assert (await client.vector_stores.search(store, query="fox")).data == []
    await house.index()
    found = await client.vector_stores.search(store, query=["red fox", "quick"], rewrite_query=True)
    assert [(hit.file_id, hit.filename, hit.content[0].text) for hit in found.data] == [
        (near, "near.txt", "red fox"),
        (far, "far.txt", "red house"),
    ]
    assert found.data[0].score > found.data[1].score
    assert found.data[0].attributes == {"kind": near[-3:], "n": 1.0}
    only = {"type": "eq", "key": "kind", "value": far[-3:]}
    found = await client.vector_stores.search(store, query="red", filters=only, max_num_results=1)  # type: ignore[arg-type]
    assert [hit.file_id for hit in found.data] == [far]
    await client.vector_stores.files.delete(near, vector_store_id=store)
    assert [hit.file_id for hit in (await client.vector_stores.search(store, query="red")).data] == [far]
    await client.files.delete(far)
    assert (await client.vector_stores.search(store, query="red")).data == []


async def test_the_page_of_a_search_repeats_its_queries(house: House) -> None:
    store = (await house.client.post(PATH)).json()["id"]
    reply = await house.client.post(f"{PATH}/{store}/search", json={"query": "red"})
    assert reply.json() == {
        "object": "vector_store.search_results.page",
        "search_query": ["red"],
        "data": [],
        "has_more": False,
        "next_page": None,
    }


async def test_a_bad_search_is_refused(house: House, client: AsyncOpenAI) -> None:
    store = "/" + (await client.vector_stores.create()).id
    search = store + "/search"
    assert await refused(house, search) == (400, "missing_required_parameter", "query")
    for query in ("", [], [""]):
        assert (await refused(house, search, query=query))[:2] == (400, "invalid_value")
    assert await refused(house, search, query=1) == (400, "invalid_type", "query")
    assert await refused(house, search, query="a", max_num_results=51) == (400, "invalid_value", "max_num_results")
    ranking = {"score_threshold": 2}
    assert (await refused(house, search, query="a", ranking_options=ranking))[2] == "ranking_options.score_threshold"
    assert await refused(house, search, query="a", filters=[]) == (400, "invalid_type", "filters")
    assert await refused(house, search, query="a", filters={"type": "odd"}) == (400, "invalid_value", "filters.type")
    assert await refused(house, f"/{NOBODY}/search", query="a") == (404, "vector_store_not_found", "vector_store_id")


async def test_what_cannot_be_taken_is_refused(house: House) -> None:
    bodies: dict[str, Any] = {
        "expires_after.days": {"expires_after": {"anchor": "last_active_at", "days": 0}},
        "expires_after.anchor": {"expires_after": {"anchor": "created_at", "days": 1}},
        "name": {"name": "x" * 257},
        "metadata.a": {"metadata": {"a": "x" * 513}},
        "chunking_strategy": {"chunking_strategy": {"type": "other"}},
        "chunking_strategy.static.max_chunk_size_tokens": {
            "chunking_strategy": {"type": "static", "static": {"max_chunk_size_tokens": 99, "chunk_overlap_tokens": 0}}
        },
        "chunking_strategy.static.chunk_overlap_tokens": {
            "chunking_strategy": {
                "type": "static",
                "static": {"max_chunk_size_tokens": 101, "chunk_overlap_tokens": 51},
            }
        },
    }
    for param, body in bodies.items():
        assert await refused(house, "", **body) == (400, "invalid_value", param)
    assert await refused(house, "/" + NOBODY, name="a") == (404, "vector_store_not_found", "vector_store_id")
    assert await refused(house, "/conv_" + "0" * 28, name="a") == (404, "vector_store_not_found", "vector_store_id")


async def test_an_expired_store_can_only_be_looked_at_and_deleted(house: House, client: AsyncOpenAI) -> None:
    file = await upload(client, "one")
    made = await client.vector_stores.create(expires_after={"anchor": "last_active_at", "days": 1}, file_ids=[file])
    await house.index()
    house.clock.ahead_s += DAY_S
    assert (await client.vector_stores.retrieve(made.id)).status == "expired"
    assert [store.status async for store in client.vector_stores.list()] == ["expired"]
    with pytest.raises(openai.BadRequestError, match="has expired") as caught:
        await client.vector_stores.search(made.id, query="one")
    assert caught.value.code == "vector_store_expired"
    with pytest.raises(openai.BadRequestError, match="has expired"):
        await client.vector_stores.update(made.id, name="a")
    with pytest.raises(openai.BadRequestError, match="has expired"):
        await client.vector_stores.files.retrieve(file, vector_store_id=made.id)
    assert (await client.vector_stores.delete(made.id)).deleted


async def test_a_search_keeps_a_store_alive(house: House, client: AsyncOpenAI) -> None:
    made = await client.vector_stores.create(expires_after={"anchor": "last_active_at", "days": 1})
    house.clock.ahead_s += DAY_S / 2
    await client.vector_stores.search(made.id, query="one")
    used = await client.vector_stores.retrieve(made.id)
    assert used.last_active_at is not None
    assert used.last_active_at >= made.created_at + DAY_S / 2
    assert used.expires_at == used.last_active_at + DAY_S


async def test_another_tenants_store_looks_like_one_that_does_not_exist(tmp_path: Any) -> None:
    house = House(tmp_path, tenants={"one": "one", "two": "two"})
    mine, yours = ({"authorization": f"Bearer {name}"} for name in ("one", "two"))
    store = (await house.client.post(PATH, headers=mine)).json()["id"]
    assert (await house.client.get(f"{PATH}/{store}", headers=yours)).status_code == 404
    assert (await house.client.get(PATH, headers=yours)).json()["data"] == []
    search = await house.client.post(f"{PATH}/{store}/search", headers=yours, json={"query": "a"})
    assert search.json()["error"]["message"] == f"Vector store with id '{store}' not found."
    await house.close()


async def test_without_an_encoder_nothing_is_attached_or_searched(tmp_path: Any) -> None:
    house = House(tmp_path, encoder="")
    client = house.sdk()
    file = await upload(client, "one")
    store = (await client.vector_stores.create()).id
    for call in (
        lambda: client.vector_stores.create(file_ids=[file]),
        lambda: client.vector_stores.files.create(store, file_id=file),
        lambda: client.vector_stores.search(store, query="one"),
    ):
        with pytest.raises(openai.BadRequestError, match="no encoder"):
            await call()
    await house.close()
