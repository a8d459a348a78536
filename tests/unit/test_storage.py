"""A storage across a network that says nothing."""

import asyncio

import obstore
import pytest
from obstore.exceptions import BaseError

from actors.storage import open_storage


async def test_a_storage_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    writers: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for name, value in {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "ENDPOINT_URL": url}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        storage = open_storage("s3://bucket/place", patience_s=0.1)
        with pytest.raises(BaseError):
            await asyncio.wait_for(obstore.get_async(storage, "content"), 25)  # before obstore itself would
        for writer in writers:
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), 25)
    assert writers
