"""Files with the real client."""

from typing import Any

import openai as sdk_errors
import pytest

DATA = bytes(range(256)) * 100_000  # more than the pieces that it goes through in


def test_a_file_comes_back_as_it_was_until_it_is_deleted(openai: Any) -> None:
    made = openai.files.create(file=("a.bin", DATA), purpose="user_data")
    assert (made.bytes, made.status) == (len(DATA), "processed")
    assert made.id in [file.id for file in openai.files.list(limit=10)]
    with openai.files.with_streaming_response.content(made.id) as reply:
        assert b"".join(reply.iter_bytes()) == DATA
    assert openai.files.delete(made.id).deleted
    with pytest.raises(sdk_errors.NotFoundError):
        openai.files.content(made.id)


def test_a_batchs_file_is_lines_of_json(openai: Any) -> None:
    made = openai.files.create(file=("lines.jsonl", b'{"custom_id": "1"}\n'), purpose="batch")
    assert made.expires_at == made.created_at + 30 * 86400
    assert openai.files.content(made.id).text == '{"custom_id": "1"}\n'
    with pytest.raises(sdk_errors.BadRequestError):
        openai.files.create(file=("lines.txt", b"{}\n"), purpose="batch")


def test_a_file_may_come_in_parts(openai: Any) -> None:
    upload = openai.uploads.upload_file_chunked(
        file=DATA, filename="a.bin", bytes=len(DATA), mime_type="image/png", purpose="vision", part_size=9_000_000
    )
    assert (upload.status, upload.file.bytes) == ("completed", len(DATA))
    with openai.files.with_streaming_response.content(upload.file.id) as reply:
        assert b"".join(reply.iter_bytes()) == DATA
