"""The real SDK, unmodified and strict, against a real server."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types.responses import Response

from tests.acceptance.client import PATIENCE_S, PAUSE_S
from tests.servers import ServerProcess


@pytest.fixture
def sdk(server: ServerProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, _strict_response_validation=True) as client:
        yield client


def create(sdk: OpenAI, script: dict[str, Any] | None = None, **options: Any) -> Response:
    metadata = {"scripted": json.dumps(script or {})}
    asked: dict[str, Any] = {"model": "scripted", "input": "Say something.", "background": True, **options}
    response: Response = sdk.responses.create(metadata=metadata, **asked)
    return response


def poll(sdk: OpenAI, response: Response) -> Response:
    give_up_at = time.monotonic() + PATIENCE_S
    while response.status in ("queued", "in_progress"):
        assert time.monotonic() < give_up_at, response
        time.sleep(PAUSE_S)
        response = sdk.responses.retrieve(response.id)
    return response


def test_a_background_response_completes(sdk: OpenAI) -> None:
    created = create(sdk, instructions="Be brief.", temperature=0.5)
    assert (created.status, created.output, created.background) == ("queued", [], True)
    done = poll(sdk, created)
    assert (done.status, done.error, done.incomplete_details) == ("completed", None, None)
    assert (done.instructions, done.temperature, done.created_at) == ("Be brief.", 0.5, created.created_at)
    assert done.usage is not None
    assert done.usage.output_tokens == 16
    assert done.output_text


def test_the_same_prompt_gives_the_same_text(sdk: OpenAI) -> None:
    first, second = (poll(sdk, create(sdk)) for _ in range(2))
    assert first.id != second.id
    assert first.output_text == second.output_text


def test_one_id_serves_both_views(sdk: OpenAI, server: ServerProcess) -> None:
    done = poll(sdk, create(sdk))
    job = httpx.get(f"{server.url}/jobs/{done.id}").json()
    assert (job["job_id"], job["status"]) == (done.id, "completed")


def test_a_token_limit_makes_it_incomplete(sdk: OpenAI) -> None:
    response = poll(sdk, create(sdk, {"tokens": 100}, max_output_tokens=16))
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output_text


def test_a_failed_response_has_an_error_that_the_sdk_knows(sdk: OpenAI) -> None:
    response = poll(sdk, create(sdk, {"tokens": "many"}))
    assert response.status == "failed"
    assert response.error is not None
    assert response.error.code == "server_error"
    assert "metadata.scripted" in response.error.message


def test_a_cancelled_response_keeps_what_was_shown(sdk: OpenAI, server: ServerProcess) -> None:
    created = create(sdk, {"tokens": 1000, "delay_ms": 50}, max_output_tokens=1000)
    assert httpx.post(f"{server.url}/jobs/{created.id}/cancel").status_code == 200
    response = sdk.responses.retrieve(created.id)
    assert response.status == "cancelled"
    assert sdk.responses.retrieve(created.id) == response


def test_an_unknown_response_is_not_found(sdk: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=r"Response with id 'resp_1' not found\."):
        sdk.responses.retrieve("resp_1")


def test_errors_carry_the_id_of_their_request(sdk: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.responses.create(model="nobody", input="Hi", background=True)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert caught.value.request_id


def test_the_models_are_listed(sdk: OpenAI) -> None:
    assert "scripted" in [model.id for model in sdk.models.list()]
    assert sdk.models.retrieve("scripted").object == "model"
