"""The routes of `/v1/responses`: every form of create, and what becomes of a client that leaves."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from actors.journal.journal import Journal
from deployments.ingestion import attachments
from pipelines.commands import Answer, Submit
from pipelines.errors import TransientError
from pipelines.jobs import ClaimedJob
from tests.asgi_stream import AsgiStream
from tests.ingestion_house import House

GOOD: dict[str, Any] = {"model": "scripted", "input": "Hi"}
KEY = {"Idempotency-Key": "once"}
PATIENCE_S = 10


async def generate(house: House, texts: tuple[str, ...] = ("Hello", " there")) -> ClaimedJob:
    """The next job, from its first to its last word."""
    job = await house.next_job()
    await house.write(job, texts)
    await house.complete(job)
    await house.seal()
    return job


async def until(fact: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await fact():
            await asyncio.sleep(0.01)


def status_is(house: House, job_id: str, status: str) -> Callable[[], Any]:
    async def fact() -> bool:
        return bool((await house.service.job(job_id))["status"] == status)

    return fact


async def test_a_plain_response_comes_when_it_is_complete(house: House, sdk: AsyncOpenAI) -> None:
    asking = asyncio.create_task(sdk.responses.create(model="scripted", input="Hi"))
    job = await generate(house)
    response = await asking
    assert (response.id, response.status, response.output_text) == (job.job_id, "completed", "Hello there")
    assert (response.background, response.to_dict()["store"]) == (False, True)
    assert (await sdk.responses.retrieve(response.id)).to_dict() == response.to_dict()


async def test_a_stream_begins_in_progress_and_ends_completed(house: House, sdk: AsyncOpenAI) -> None:
    async def collect() -> list[Any]:
        return [event async for event in await sdk.responses.create(model="scripted", input="Hi", stream=True)]

    asking = asyncio.create_task(collect())
    await generate(house)
    events = await asking
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[0].response.status == "in_progress"
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == "Hello there"


async def test_the_helper_of_the_client_reads_a_stream(house: House, sdk: AsyncOpenAI) -> None:
    async def collect() -> str:
        async with sdk.responses.stream(model="scripted", input="Hi") as stream:
            return (await stream.get_final_response()).output_text

    asking = asyncio.create_task(collect())
    await generate(house)
    assert await asking == "Hello there"


async def test_a_background_stream_is_queued_first_and_resumed_at_a_number(house: House, sdk: AsyncOpenAI) -> None:
    async def collect() -> list[Any]:
        stream = await sdk.responses.create(model="scripted", input="Hi", background=True, stream=True)
        return [event async for event in stream]

    asking = asyncio.create_task(collect())
    job = await generate(house)
    events = await asking
    assert [event.type for event in events[:3]] == ["response.created", "response.queued", "response.in_progress"]
    resumed = await sdk.responses.retrieve(job.job_id, stream=True, starting_after=3)
    assert [event async for event in resumed] == events[4:]
    assert [event async for event in await sdk.responses.retrieve(job.job_id, stream=True, starting_after=99)] == []


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "9" * 30])
async def test_a_cursor_that_is_no_number_is_refused(house: House, after: str) -> None:
    job_id = await house.run()
    reply = await house.client.get(f"/v1/responses/{job_id}?stream=true&starting_after={after}")
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "starting_after")


async def test_a_response_rejected_before_its_first_word_is_a_400(house: House, sdk: AsyncOpenAI) -> None:
    asking = asyncio.create_task(sdk.responses.create(model="scripted", input="Hi"))
    await house.reject(await house.next_job())
    await house.seal()
    with pytest.raises(openai.BadRequestError) as caught:
        await asking
    assert caught.value.code == "context_length_exceeded"


async def test_a_response_that_failed_behind_its_first_word_is_shown(house: House, sdk: AsyncOpenAI) -> None:
    asking = asyncio.create_task(sdk.responses.create(model="scripted", input="Hi"))
    job = await house.next_job()
    await house.write(job, ["Hel"])
    await house.reject(job, "server_error")
    await house.seal()
    response = await asking
    assert (response.status, response.output_text) == ("failed", "Hel")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_cancels_its_response(house: House, stream: bool) -> None:
    body = json.dumps(GOOD | {"stream": stream}).encode()
    asking = AsgiStream(house.app, "/v1/responses", body=body)
    asking.task = asyncio.create_task(asking._run())
    job = await house.next_job()
    await house.write(job, ["Hel"])
    await asking.__aexit__(None, None, None)
    await until(status_is(house, job.job_id, "cancelled"))


async def test_a_client_that_leaves_a_background_stream_cancels_nothing(house: House) -> None:
    body = json.dumps(GOOD | {"stream": True, "background": True}).encode()
    async with AsgiStream(house.app, "/v1/responses", body=body) as stream:
        assert b"response.created" in (await stream.chunk() or b"")
    job = await generate(house)
    assert (await house.service.job(job.job_id))["status"] == "completed"


async def test_a_client_that_leaves_while_its_job_is_submitted_cancels_it(house: House) -> None:
    asking = AsgiStream(house.app, "/v1/responses", body=json.dumps(GOOD).encode())
    asking.task = asyncio.create_task(asking._run())
    submits = house.service._door._submits._coalescers
    while not any(each._waiting for each in submits.values()):
        await asyncio.sleep(0)
    asking.task.cancel()  # as Ray Serve does

    async def cancelled() -> bool:
        return bool((await house.client.get("/jobs?status=cancelled")).json()["data"])

    await until(cancelled)


class Interrupted(Journal):
    """Accepts jobs and cannot tell."""

    async def submit(self, batch: Sequence[Submit]) -> list[Answer]:
        await super().submit(batch)
        raise TransientError("the answer was lost")


async def test_a_job_whose_client_never_hears_of_it_is_cancelled(tmp_path: Path) -> None:
    house = House(tmp_path, journal=Interrupted)
    assert (await house.client.post("/v1/responses", json=GOOD)).status_code == 503

    async def statuses() -> list[str]:
        return [job["status"] for job in (await house.client.get("/jobs")).json()["data"]]

    assert len(await statuses()) == 1
    await until(lambda: _is(statuses(), ["cancelled"]))
    await house.close()


async def _is(found: Awaitable[object], wanted: object) -> bool:
    return await found == wanted


async def test_with_a_key_a_client_may_come_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "KEYED_PATIENCE_S", 0.2)
    body = json.dumps(GOOD | {"stream": True}).encode()
    async with AsgiStream(house.app, "/v1/responses", body=body, headers=KEY) as stream:
        first = await stream.chunk()
    async with AsgiStream(house.app, "/v1/responses", body=body, headers=KEY) as again:
        assert again.headers["idempotent-replayed"] == "true"
        await asyncio.sleep(0.3)  # longer than it would have waited
        job = await generate(house)
        chunks = await again.chunks()
    assert b"".join(chunks).startswith(first or b"?")
    assert (await house.service.job(job.job_id))["status"] == "completed"


async def test_with_a_key_a_client_that_stays_away_cancels(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "KEYED_PATIENCE_S", 0.05)
    async with AsgiStream(house.app, "/v1/responses", body=json.dumps(GOOD | {"stream": True}).encode(), headers=KEY):
        job = await house.next_job()
    await until(status_is(house, job.job_id, "cancelled"))


async def test_a_replayed_plain_response_waits_for_the_end(house: House) -> None:
    asking = [asyncio.create_task(house.client.post("/v1/responses", json=GOOD, headers=KEY)) for _ in range(2)]
    await generate(house)
    replies = [await task for task in asking]
    assert [reply.json()["status"] for reply in replies] == ["completed"] * 2
    assert replies[0].json() == replies[1].json()
    assert sorted(reply.headers.get("idempotent-replayed", "") for reply in replies) == ["", "true"]


async def test_what_is_not_stored_is_answered_once(house: House, sdk: AsyncOpenAI) -> None:
    asking = asyncio.create_task(sdk.responses.create(model="scripted", input="Hi", store=False))
    await generate(house)
    response = await asking
    assert response.output_text == "Hello there"
    for look in (sdk.responses.retrieve, sdk.responses.cancel):
        with pytest.raises(openai.NotFoundError):
            await look(response.id)


async def test_a_background_response_is_cancelled_once_and_for_all(sdk: AsyncOpenAI) -> None:
    created = await sdk.responses.create(model="scripted", input="Hi", background=True)
    first = await sdk.responses.cancel(created.id)
    assert first.status == "cancelled"
    assert (await sdk.responses.cancel(created.id)).to_dict() == first.to_dict()


async def test_what_is_complete_or_in_the_foreground_cannot_be_cancelled(house: House, sdk: AsyncOpenAI) -> None:
    job_id = await house.run()
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a completed response"):
        await sdk.responses.cancel(job_id)
    asking = asyncio.create_task(sdk.responses.create(model="scripted", input="Hi"))
    job = await house.next_job()
    with pytest.raises(openai.BadRequestError, match="Only a background response"):
        await sdk.responses.cancel(job.job_id)
    await house.write(job, ["Hello"])
    await house.complete(job)
    await house.seal()
    assert (await asking).status == "completed"


async def test_compaction_is_not_there(house: House) -> None:
    assert (await house.client.post("/v1/responses/compact", json={"model": "scripted"})).status_code == 404


async def test_input_must_be_there(house: House) -> None:
    for body in ({"model": "scripted"}, {"model": "scripted", "input": []}):
        reply = await house.client.post("/v1/responses", json=body)
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, "input")


async def test_a_reference_stands_for_the_item_of_an_earlier_output(house: House, sdk: AsyncOpenAI) -> None:
    job_id = await house.run()
    (item,) = (await sdk.responses.retrieve(job_id)).output
    reference = {"type": "item_reference", "id": item.id}
    body = GOOD | {"input": [reference], "background": True}
    assert (await house.client.post("/v1/responses", json=body)).status_code == 200
    reply = await house.client.post("/v1/responses", json=body | {"input": [reference | {"id": "msg_x"}]})
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "item_not_found")


async def test_the_output_of_a_call_needs_the_call(house: House) -> None:
    output = {"type": "function_call_output", "call_id": "c1", "output": "noon"}
    reply = await house.client.post("/v1/responses", json=GOOD | {"input": [output]})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "input")
    assert "call_id c1" in reply.json()["error"]["message"]


async def test_the_document_says_what_is_answered(house: House) -> None:
    document = (await house.client.get("/openapi.json")).json()
    create = document["paths"]["/v1/responses"]["post"]
    assert create["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/ResponsesBody"
    }
    assert create["responses"]["200"]["content"] == {
        "application/json": {"schema": {"$ref": "#/components/schemas/openai.Response"}},
        "text/event-stream": {"schema": {}},
    }
    assert document["paths"]["/async-generate"]["post"]["requestBody"]["required"]
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert {"ResponsesBody", "MessageItem", "FunctionTool", "JsonSchemaFormat"} <= named
    assert named <= set(document["components"]["schemas"])
    assert not {"$defs", "x-body", "x-reply"} & set(re.findall(r'"([^"]+)":', json.dumps(document)))
    answered = {status for path in document["paths"].values() for o in path.values() for status in o["responses"]}
    assert "422" not in answered
    assert {"200", "400", "401", "404", "409", "413", "429", "503"} <= answered
