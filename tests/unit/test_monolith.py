"""The monolith's HTTP server, on a real socket."""

import asyncio

import httpx
import pytest
import uvicorn

from deployments.ingestion.sse import EventStream
from heliograph.monolith import HttpServer
from tests.ingestion_house import House


async def test_a_stream_is_broken_off_when_the_server_ends(house: House) -> None:
    subject = await house.service.subject(await house.post())
    listening = asyncio.Event()
    config = uvicorn.Config(
        EventStream(house.service.event_batches(subject)), port=0, lifespan="off", log_config=None, access_log=False
    )
    server = HttpServer(config, ready=listening.set, drain=house.service.drain)
    serving = asyncio.create_task(server.serve())
    await listening.wait()
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient() as client, client.stream("GET", f"http://127.0.0.1:{port}") as reply:
        chunks = reply.aiter_raw()
        assert (await anext(chunks)).startswith(b"event: response.created\n")
        server.should_exit = True
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(chunks)
    await serving
