"""The Response object as the real SDK reads it, and the routes that give it."""

from typing import Any, get_args

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses import ResponseError, ResponseOutputMessage

from deployments.history.responses import ERROR_CODES, error_object, skeleton
from deployments.history.sealed_log import output_of
from pipelines.jobs import Fault, Status
from pipelines.payloads import Message, Request
from tests.factories import job_id
from tests.ingestion_house import House

GOOD: dict[str, Any] = {"model": "scripted", "input": "Hi", "background": True}


async def test_a_background_response_goes_from_queued_to_completed(house: House, sdk: AsyncOpenAI) -> None:
    created = await sdk.responses.create(model="scripted", input="Hi", background=True, metadata={"a": "b"})
    assert (created.status, created.output, created.background) == ("queued", [], True)
    job = await house.start()
    assert (await sdk.responses.retrieve(created.id)).status == "in_progress"
    await house.write(job, ["Hello", " there"])
    await house.complete(job)
    done = await sdk.responses.retrieve(created.id)
    assert (done.status, done.output_text, done.metadata) == ("completed", "Hello there", {"a": "b"})
    assert done.usage is not None
    assert done.usage.total_tokens == 5
    assert done.completed_at is not None
    assert done.created_at == created.created_at


async def test_an_incomplete_response_says_why(house: House, sdk: AsyncOpenAI) -> None:
    created = await sdk.responses.create(model="scripted", input="Hi", background=True)
    job = await house.start()
    await house.write(job, ["Hel"])
    await house.complete(job, Status.INCOMPLETE)
    response = await sdk.responses.retrieve(created.id)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert (response.error, response.completed_at) == (None, None)


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_what_was_shown_stays_when_a_job_fails_or_is_cancelled(house: House, sdk: AsyncOpenAI, end: str) -> None:
    created = await sdk.responses.create(model="scripted", input="Hi", background=True)
    job = await house.start()
    await house.write(job, ["Hel", "lo"])
    await (house.reject(job) if end == "failed" else house.service.cancel(job.job_id))
    response = await sdk.responses.retrieve(created.id)
    assert response.status == end
    (item,) = response.output
    assert isinstance(item, ResponseOutputMessage)
    assert item.status == "incomplete"
    assert response.output_text == "Hello"
    assert (response.error is not None) == (end == "failed")


async def test_a_job_that_never_ran_has_no_output(house: House, sdk: AsyncOpenAI) -> None:
    identifier = await house.post()
    await house.service.cancel(identifier)
    response = await sdk.responses.retrieve(identifier)
    assert (response.status, response.output) == ("cancelled", [])


async def test_what_is_read_of_a_terminal_job_never_changes(house: House) -> None:
    identifier = await house.post()
    job = await house.start()
    await house.write(job, ["Hel"])
    await house.service.cancel(identifier)
    first = await house.service.result(identifier)
    await house.write(job, ["lo"])
    await house.seal()
    assert await house.service.result(identifier) == first


async def test_messages_instructions_and_inert_fields_are_kept(sdk: AsyncOpenAI) -> None:
    created = await sdk.responses.create(
        model="scripted",
        input=[{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        instructions="Be brief.",
        max_output_tokens=16,
        temperature=0.5,
        top_p=0.25,
        background=True,
        safety_identifier="someone",
        user="me",
    )
    assert (created.instructions, created.max_output_tokens) == ("Be brief.", 16)
    assert (created.temperature, created.top_p) == (0.5, 0.25)
    assert (created.safety_identifier, created.user) == ("someone", "me")
    assert (await sdk.responses.retrieve(created.id)).to_dict() == created.to_dict()


async def test_the_models_are_listed(sdk: AsyncOpenAI) -> None:
    assert [model.id async for model in sdk.models.list()] == ["scripted", "words"]
    assert (await sdk.models.retrieve("scripted")).owned_by == "heliograph"
    with pytest.raises(openai.NotFoundError) as caught:
        await sdk.models.retrieve("some/body")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


async def test_an_unknown_model_is_not_found(sdk: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await sdk.responses.create(model="nobody", input="Hi", background=True)
    assert (caught.value.code, caught.value.param, caught.value.type) == (
        "model_not_found",
        "model",
        "invalid_request_error",
    )


def test_a_fault_that_strict_clients_do_not_know_becomes_a_server_error() -> None:
    assert error_object(Fault("deadline_exceeded", "too late")) == {"code": "server_error", "message": "too late"}
    assert error_object(Fault("invalid_prompt", "no"))["code"] == "invalid_prompt"
    assert set(get_args(ResponseError.model_fields["code"].annotation)) == ERROR_CODES


def test_the_skeleton_is_a_function_of_id_and_request() -> None:
    request = Request(model="scripted", messages=[Message(role="user", content="Hi")], echo={"user": "me"})
    response = skeleton(job_id(), request)
    assert response == skeleton(job_id(), Request.model_validate_json(request.encode()))
    assert (response["status"], response["output"], response["user"]) == ("queued", [], "me")


async def test_a_log_without_seal_shows_nothing_yet(house: House) -> None:
    await house.post()
    job = await house.start()
    await house.write(job, ["Hel"])
    assert output_of(await house.token_log.read(job.job_id, -1)) == []
