"""`/v1/files` with the real client on ingestion in memory; contents are in a real folder."""

from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.ingestion_house import House

TEXT = ("notes.txt", b"one\ntwo\n")


@pytest.fixture
def client(house: House) -> AsyncOpenAI:
    return house.sdk()


async def refused(house: House, files: dict[str, Any] | None = None, **data: Any) -> tuple[int, str, str | None]:
    reply = await house.client.post("/v1/files", data=data, files=files or {"file": TEXT})
    error = reply.json()["error"]
    return reply.status_code, error["code"], error["param"]


async def test_a_file_is_there_until_it_is_deleted(client: AsyncOpenAI) -> None:
    made = await client.files.create(file=TEXT, purpose="user_data")
    assert (made.bytes, made.filename, made.purpose) == (8, "notes.txt", "user_data")
    assert (made.status, made.expires_at) == ("processed", None)
    assert await client.files.retrieve(made.id) == made
    assert await client.files.wait_for_processing(made.id) == made
    assert (await client.files.content(made.id)).content == b"one\ntwo\n"
    assert (await client.files.delete(made.id)).deleted
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError, match="not found"):
            await call(made.id)


async def test_a_file_whose_content_has_just_gone_is_not_found(client: AsyncOpenAI, tmp_path: Path) -> None:
    made = await client.files.create(file=TEXT, purpose="user_data")
    next((tmp_path / "files").rglob(made.id)).unlink()
    with pytest.raises(openai.NotFoundError, match="not found"):
        await client.files.content(made.id)


async def test_lists_are_paged_by_purpose_and_order(client: AsyncOpenAI) -> None:
    made = [await client.files.create(file=TEXT, purpose=purpose) for purpose in ("vision", "user_data", "vision")]
    ids = [file.id for file in made]
    assert [file.id async for file in client.files.list(limit=2)] == ids[::-1]
    assert [file.id async for file in client.files.list(limit=1, order="asc")] == ids
    assert [file.id async for file in client.files.list(purpose="vision")] == [ids[2], ids[0]]
    with pytest.raises(openai.BadRequestError, match="Unknown cursor"):
        await client.files.list(after="nobody")


async def test_a_large_file_goes_through_in_pieces(client: AsyncOpenAI) -> None:
    data = bytes(range(256)) * 12_000
    made = await client.files.create(file=("a.bin", data), purpose="user_data")
    assert made.bytes == len(data)
    async with client.files.with_streaming_response.content(made.id) as reply:
        assert reply.headers["content-length"] == str(len(data))
        assert b"".join([piece async for piece in reply.iter_bytes()]) == data


async def test_expiry_counts_from_the_creation(client: AsyncOpenAI) -> None:
    made = await client.files.create(
        file=TEXT, purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert made.expires_at == made.created_at + 3600
    batch = await client.files.create(file=("b.jsonl", b"{}\n"), purpose="batch")
    assert batch.expires_at == batch.created_at + 30 * 86400


async def test_what_cannot_be_taken_is_refused(house: House) -> None:
    assert await refused(house) == (400, "missing_required_parameter", "purpose")
    assert await refused(house, purpose="fun") == (400, "invalid_value", "purpose")
    assert await refused(house, purpose="batch") == (400, "invalid_value", "file")
    assert await refused(house, {"file": ("b.jsonl", b"")}, purpose="batch") == (400, "invalid_value", "file")
    assert await refused(house, {"other": TEXT}, purpose="vision") == (400, "missing_required_parameter", "file")
    seconds: dict[str, Any] = {"purpose": "vision", "expires_after[seconds]": "10"}
    assert await refused(house, **seconds) == (400, "invalid_value", "expires_after[seconds]")
    for length in ("", "x"):
        reply = await house.client.post("/v1/files", content=length, headers={"content-type": "multipart/form-data"})
        assert reply.status_code == 400


async def test_what_is_too_large_is_refused(house: House) -> None:
    reply = await house.client.post("/v1/files", data={"purpose": "vision"}, files={"file": ("a", b"x" * 5_000_000)})
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "body_too_large")


@pytest.mark.filterwarnings("ignore:Exception ignored in.*SpooledTemporaryFile")  # Starlette leaves it to the collector
async def test_an_upload_that_breaks_off_leaves_no_file(house: House, client: AsyncOpenAI) -> None:
    boundary = b"--x\r\ncontent-disposition: form-data; name=file; filename=a\r\n\r\nabc"
    reply = await house.client.post(
        "/v1/files", content=boundary, headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert reply.status_code == 400
    assert [file async for file in client.files.list()] == []
