"""`WS /v1/responses`, by the real client over a real socket, and frame by frame."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from openai import AsyncOpenAI

from deployments.ingestion import lane, socket
from pipelines.jobs import ClaimedJob
from pipelines.payloads import Request
from tests.asgi_socket import AsgiSocket
from tests.ingestion_house import House

CREATE: dict[str, Any] = {"type": "response.create", "model": "scripted", "input": "Hi"}
PATIENCE_S = 10


@asynccontextmanager
async def connected(house: House) -> AsyncIterator[AsgiSocket]:
    async with AsgiSocket(house.app, "/v1/responses") as client:
        yield client


async def work(house: House) -> ClaimedJob:
    """The next job, from its first to its last word."""
    job = await house.next_job()
    await house.write(job, ["Hello", " there"])
    await house.complete(job)
    await house.seal()
    return job


async def response(house: House, client: AsgiSocket, **changes: Any) -> dict[str, Any]:
    """One response's terminal event."""
    client.say(CREATE | changes)
    await work(house)
    while (frame := await client.next()) is not None:
        if frame["type"] == "error" or frame["type"] in ("response.completed", "response.failed"):
            return frame
    raise AssertionError("closed")


async def request_of(house: House, job_id: str) -> Request:
    (job,) = await house.journal.jobs("default", [job_id])
    assert job is not None
    (data,) = await house.blobs.get_many([("default", job.request, None)])
    return Request.model_validate_json(data)


async def test_the_real_client_talks_and_goes_on(house: House) -> None:
    server = uvicorn.Server(uvicorn.Config(house.app, port=0, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    client = AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none")
    async with client, client.responses.connect() as connection:
        await connection.response.create(model="scripted", input="Hi", store=False)
        await work(house)
        event: Any
        events: list[Any] = []
        async for event in connection:
            events.append(event)
            if event.type == "response.completed":
                break
        assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
        assert [event.sequence_number for event in events] == list(range(len(events)))
        first = events[-1].response
        assert first.output_text == "Hello there"
        await connection.response.create(model="scripted", input="And?", previous_response_id=first.id)
        job = await work(house)
        async for event in connection:
            if event.type == "response.completed":
                assert event.response.previous_response_id == first.id
                break
    said = await request_of(house, job.job_id)
    assert [item["content"][0]["text"] for item in said.before] == ["Hi", "Hello there"]
    server.should_exit = True
    await serving


async def test_requests_are_worked_on_one_after_another(house: House) -> None:
    async with connected(house) as client:
        for word in ("one", "two"):
            client.say(CREATE | {"input": word})
        first = await house.next_job()
        await house.render()
        assert len((await house.client.get("/jobs")).json()["data"]) == 1
        await house.write(first, ["Hello"])
        await house.complete(first)
        await house.seal()
        second = await work(house)
        assert second.job_id != first.job_id


async def test_a_client_that_leaves_cancels_what_is_under_way(house: House) -> None:
    async with connected(house) as client:
        client.say(CREATE)
        job = await house.next_job()
    async with asyncio.timeout(PATIENCE_S):
        while (await house.service.job(job.job_id))["status"] != "cancelled":
            await asyncio.sleep(0.01)


async def test_what_is_not_stored_is_unknown_on_another_connection(house: House) -> None:
    async with connected(house) as client:
        first = await response(house, client, store=False)
    async with connected(house) as client:
        client.say(CREATE | {"previous_response_id": first["response"]["id"]})
        frame = await client.next()
    assert frame is not None
    assert frame["error"]["code"] == "previous_response_not_found"


async def test_what_is_stored_is_gone_on_from_by_reference(house: House) -> None:
    async with connected(house) as client:
        first = await response(house, client)
        second = await response(house, client, previous_response_id=first["response"]["id"])
    request = await request_of(house, second["response"]["id"])
    assert (len(request.context), request.before) == (1, [])


async def test_a_failed_request_forgets_what_it_went_on_from(house: House) -> None:
    async with connected(house) as client:
        first = (await response(house, client, store=False))["response"]["id"]
        for body, code in (({"temperature": 9}, "invalid_value"), ({}, "previous_response_not_found")):
            client.say(CREATE | {"previous_response_id": first} | body)
            frame = await client.next()
            assert frame is not None
            assert (frame["type"], frame["status"], frame["error"]["code"]) == ("error", 400, code)


async def test_a_prepared_response_can_be_gone_on_from(house: House) -> None:
    async with connected(house) as client:
        client.say(CREATE | {"generate": False, "input": "I am Ada."})
        created, completed = await client.next(), await client.next()
        assert created is not None
        assert completed is not None
        assert (created["type"], completed["type"]) == ("response.created", "response.completed")
        assert completed["response"]["output"] == []
        second = await response(house, client, previous_response_id=completed["response"]["id"])
    request = await request_of(house, second["response"]["id"])
    assert [item["content"][0]["text"] for item in request.before] == ["I am Ada."]


async def test_a_lane_remembers_only_the_last(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "REMEMBERED", 1)
    async with connected(house) as client:
        prepared = []
        for _ in range(2):
            client.say(CREATE | {"generate": False})
            frame = await client.next()
            assert frame is not None
            prepared.append(frame["response"]["id"])
            await client.next()
        client.say(CREATE | {"previous_response_id": prepared[0]})
        frame = await client.next()
    assert frame is not None
    assert frame["error"]["code"] == "previous_response_not_found"


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("{", 400, "invalid_json"),
        ("[]", 400, "invalid_type"),
        ("{}", 400, "invalid_value"),
        (json.dumps({"type": "response.create", "input": "Hi"}), 404, "model_not_found"),
        (json.dumps(CREATE | {"model": "nobody", "generate": False}), 404, "model_not_found"),
        (json.dumps(CREATE | {"stream_id": "a"}), 400, "invalid_stream_id"),
        (json.dumps(CREATE | {"top_p": 9}), 400, "invalid_value"),
        (json.dumps(CREATE | {"input": "x" * 100_001}), 413, "body_too_large"),
    ],
)
async def test_bad_events_are_errors_and_the_connection_goes_on(
    house: House, text: str, status: int, code: str
) -> None:
    async with connected(house) as client:
        client.say(text)
        frame = await client.next()
        assert frame is not None
        assert (frame["type"], frame["status"], frame["error"]["code"]) == ("error", status, code)
        assert frame.get("stream_id") == ("a" if "stream_id" in code else None)
        assert (await response(house, client))["type"] == "response.completed"


async def test_nothing_can_be_steered(house: House) -> None:
    async with connected(house) as client:
        client.say({"type": "response.steer", "previous_response_id": "resp_1", "input": "Stop"})
        frame = await client.next()
    assert frame is not None
    assert (frame["type"], frame["error"]["code"]) == ("response.steer.failed", "steering_not_supported")
    assert frame["steer"] == {"previous_response_id": "resp_1", "input": "Stop"}


async def test_an_old_connection_is_closed_when_nothing_is_under_way(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "LIFETIME_S", 0.05)
    async with connected(house) as client:
        client.say(CREATE)
        await asyncio.sleep(0.1)  # longer than it may live
        await work(house)
        frames = await client.frames()
    assert [frame["type"] for frame in frames[-2:]] == ["response.completed", "error"]
    assert (frames[-1]["error"]["code"], client.code) == ("websocket_connection_limit_reached", 1001)


async def test_a_server_that_ends_asks_its_clients_to_connect_again(house: House) -> None:
    async with connected(house) as client:
        await response(house, client)
        house.service.drain()
        assert await client.frames() == []
    assert client.code == 1012


async def test_a_server_that_leaves_finishes_what_is_under_way_before_it_says_so(house: House) -> None:
    async with connected(house) as client, connected(house) as idle:
        client.say(CREATE)
        assert await client.next()
        leaving = asyncio.ensure_future(house.service.leave(60, served := asyncio.Event()))
        assert await idle.frames() == []
        await work(house)
        frames = await client.frames()
        served.set()
        await leaving
    assert frames[-1]["type"] == "response.completed"
    assert client.code == idle.code == 1012


async def test_only_so_many_requests_may_wait(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "WAITING", 1)
    async with connected(house) as client:
        client.say(CREATE)
        job = await house.next_job()
        for _ in range(2):
            client.say(CREATE)
        while (frame := await client.next()) is not None and frame["type"] != "error":
            pass
        assert frame is not None
        assert (frame["status"], frame["error"]["code"]) == (429, "rate_limit_exceeded")
        await house.write(job, ["Hello"])
        await house.complete(job)
        await house.seal()
        assert (await work(house)).job_id != job.job_id
