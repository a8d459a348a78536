"""`/v1/uploads` with the real client on ingestion in memory; contents are in a real folder."""

import hashlib
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.ingestion_house import House

NEW: dict[str, Any] = {"filename": "a.bin", "purpose": "user_data", "mime_type": "application/octet-stream"}


@pytest.fixture
def client(house: House) -> AsyncOpenAI:
    return house.sdk()


async def with_parts(client: AsyncOpenAI, *parts: bytes) -> tuple[str, list[str]]:
    upload = await client.uploads.create(**NEW, bytes=sum(map(len, parts)))
    assert (upload.status, upload.file, upload.expires_at) == ("pending", None, upload.created_at + 3600)
    return upload.id, [(await client.uploads.parts.create(upload.id, data=part)).id for part in parts]


async def test_parts_become_a_file_in_the_order_that_is_named(client: AsyncOpenAI) -> None:
    upload, (first, second) = await with_parts(client, b"two", b"one")
    done = await client.uploads.complete(upload, part_ids=[second, first], md5=hashlib.md5(b"onetwo").hexdigest())  # noqa: S324
    assert done.file is not None
    assert (done.status, done.file.bytes) == ("completed", 6)
    assert (done.file.filename, done.file.purpose) == ("a.bin", "user_data")
    assert (await client.files.content(done.file.id)).content == b"onetwo"
    assert [file.id async for file in client.files.list()] == [done.file.id]
    assert await client.uploads.complete(upload, part_ids=[second, first]) == done


async def test_the_clients_own_helper_uploads_in_parts(client: AsyncOpenAI) -> None:
    data = bytes(range(256)) * 4000
    done = await client.uploads.upload_file_chunked(
        file=data, filename="a.bin", bytes=len(data), mime_type="image/png", purpose="vision", part_size=300_000
    )
    assert done.file is not None
    assert (await client.files.content(done.file.id)).content == data


async def test_parts_that_are_not_what_was_announced_make_no_file(client: AsyncOpenAI) -> None:
    upload, (first, second) = await with_parts(client, b"two", b"one")
    bad: list[tuple[dict[str, Any], str]] = [
        ({"part_ids": [first]}, "part_ids"),
        ({"part_ids": [first, first]}, "part_ids"),
        ({"part_ids": [first, "part_1"]}, "part_ids"),
        ({"part_ids": [first, second], "md5": "0" * 32}, "md5"),
        ({"part_ids": []}, "part_ids"),
        ({"part_ids": [first, second], "md5": "short"}, "md5"),
    ]
    for options, param in bad:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.uploads.complete(upload, **options)
        assert caught.value.param == param
    assert [file async for file in client.files.list()] == []
    assert (await client.uploads.complete(upload, part_ids=[first, second])).status == "completed"


async def test_a_cancelled_upload_takes_nothing_more(client: AsyncOpenAI) -> None:
    upload, parts = await with_parts(client, b"one")
    cancelled = await client.uploads.cancel(upload)
    assert (cancelled.status, cancelled.file) == ("cancelled", None)
    with pytest.raises(openai.BadRequestError, match="cancelled"):
        await client.uploads.parts.create(upload, data=b"two")
    with pytest.raises(openai.BadRequestError, match="cancelled"):
        await client.uploads.complete(upload, part_ids=parts)
    with pytest.raises(openai.BadRequestError, match="cancelled"):
        await client.uploads.cancel(upload)


async def test_what_is_unknown_or_missing_is_refused(client: AsyncOpenAI, house: House) -> None:
    with pytest.raises(openai.NotFoundError, match="not found"):
        await client.uploads.cancel("upload_1")
    with pytest.raises(openai.NotFoundError, match="not found"):
        await client.uploads.parts.create("upload_1", data=b"one")
    with pytest.raises(openai.BadRequestError) as caught:
        await client.uploads.create(**NEW, bytes=0)
    assert caught.value.param == "bytes"
    upload, _ = await with_parts(client, b"one")
    reply = await house.client.post(f"/v1/uploads/{upload}/parts", files={"other": b"x"})
    assert reply.json()["error"]["param"] == "data"
