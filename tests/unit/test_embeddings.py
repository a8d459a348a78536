"""`/v1/embeddings` with the real client on ingestion in memory; the encoder knows words only."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import openai
import pytest
from openai import AsyncOpenAI

from deployments.ingestion.embedding_service import MOST_TOKENS
from deployments.knowledge.encoding import Embedded, TextOrTokens
from pipelines.errors import RejectError, TransientError
from tests.asgi_stream import AsgiStream
from tests.encoders import DIMENSIONS, WordEncoder
from tests.ingestion_house import ENCODER, House

TEXTS = ["the lamp burns", "bread and salt", "the lamp"]


@pytest.fixture
async def sdk(house: House) -> AsyncIterator[AsyncOpenAI]:
    async with house.sdk() as sdk:
        yield sdk


async def asked(house: House, **body: Any) -> tuple[int, Any]:
    reply = await house.client.post("/v1/embeddings", json={"model": ENCODER, "input": "Hi", **body})
    return reply.status_code, reply.json()


async def refused(house: House, **body: Any) -> tuple[int, str, str | None]:
    status, reply = await asked(house, **body)
    error = reply["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return status, error["code"], error["param"]


async def test_each_text_has_its_vector(sdk: AsyncOpenAI) -> None:
    answer = await sdk.embeddings.create(model=ENCODER, input=TEXTS, encoding_format="float", user="somebody")
    assert (answer.object, answer.model) == ("list", ENCODER)
    assert [(each.index, each.object) for each in answer.data] == [(0, "embedding"), (1, "embedding"), (2, "embedding")]
    first, second, third = (np.array(each.embedding) for each in answer.data)
    assert first.shape == (DIMENSIONS,)
    assert first @ third > first @ second
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (8, 8)


async def test_without_a_format_the_client_gets_the_same_numbers(house: House, sdk: AsyncOpenAI) -> None:
    floats = await sdk.embeddings.create(model=ENCODER, input=TEXTS, encoding_format="float")
    async with house.sdk(strict=False) as lenient:  # the client asks for base64, and finds it strange when it is strict
        usual = await lenient.embeddings.create(model=ENCODER, input=TEXTS)
    assert usual == floats
    _, coded = await asked(house, input=TEXTS[0], encoding_format="base64")
    numbers = np.frombuffer(base64.b64decode(coded["data"][0]["embedding"]), "<f4")
    assert numbers.tolist() == floats.data[0].embedding


async def test_an_input_has_four_forms(house: House) -> None:
    ids = WordEncoder().ids(TEXTS)
    forms: list[Any] = [TEXTS[0], [TEXTS[0]], ids[0], [ids[0]]]
    replies = [await asked(house, input=form) for form in forms]
    assert replies == [replies[0]] * 4
    assert replies[0][0] == 200
    assert (await asked(house, input=ids))[1] == (await asked(house, input=TEXTS))[1]


async def test_many_inputs_come_in_their_order(house: House) -> None:
    inputs = [f"word{number}" for number in range(2048)]
    _, reply = await asked(house, input=inputs)
    assert [each["index"] for each in reply["data"]] == list(range(2048))
    _, last = await asked(house, input=inputs[-1])
    assert reply["data"][-1]["embedding"] == last["data"][0]["embedding"]


async def test_fewer_dimensions_are_the_first_ones_at_length_one(house: House) -> None:
    words = " ".join(f"word{number}" for number in range(200))
    _, whole = await asked(house, input=words)
    _, cut = await asked(house, input=words, dimensions=16)
    first = np.array(whole["data"][0]["embedding"][:16])
    assert cut["data"][0]["embedding"] == pytest.approx(first / np.linalg.norm(first), abs=1e-6)
    assert (await asked(house, input=words, dimensions=DIMENSIONS))[1] == whole


async def test_what_has_nothing_in_the_first_dimensions_stays_nothing(house: House) -> None:
    status, reply = await asked(house, input=[DIMENSIONS - 1], dimensions=1)
    assert (status, reply["data"][0]["embedding"]) == (200, [0])


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"model": "nobody"}, 404, "model_not_found", "model"),
        ({"model": "scripted"}, 400, "invalid_value", "model"),
        ({"model": 5}, 400, "invalid_type", "model"),
        ({"input": ""}, 400, "invalid_value", "input"),
        ({"input": []}, 400, "invalid_value", "input"),
        ({"input": ["one", ""]}, 400, "invalid_value", "input[1]"),
        ({"input": [[]]}, 400, "invalid_value", "input[0]"),
        ({"input": [1, "one"]}, 400, "invalid_type", "input[1]"),
        ({"input": [-1]}, 400, "invalid_value", "input[0]"),
        ({"input": {"a": 1}}, 400, "invalid_value", "input"),
        ({"input": None}, 400, "invalid_value", "input"),
        ({"input": ["x"] * 2049}, 400, "invalid_value", "input"),
        ({"input": [[1]] * 2049}, 400, "invalid_value", "input"),
        ({"dimensions": 0}, 400, "invalid_value", "dimensions"),
        ({"dimensions": DIMENSIONS + 1}, 400, "invalid_value", "dimensions"),
        ({"dimensions": 1.5}, 400, "invalid_type", "dimensions"),
        ({"encoding_format": "hex"}, 400, "invalid_value", "encoding_format"),
    ],
)
async def test_bad_input_is_refused(house: House, body: Any, status: int, code: str, param: str) -> None:
    assert await refused(house, **body) == (status, code, param)


async def test_a_missing_parameter_is_named(house: House) -> None:
    for body in ({"model": ENCODER}, {"input": "Hi"}):
        reply = await house.client.post("/v1/embeddings", json=body)
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "missing_required_parameter")


async def test_a_request_may_have_so_many_tokens(tmp_path: Any) -> None:
    house = House(tmp_path, body_limit=10_000_000)
    status, reply = await asked(house, input=["a " * (MOST_TOKENS // 2)] * 2)
    assert (status, reply["usage"]["total_tokens"]) == (200, MOST_TOKENS)
    assert await refused(house, input=["a " * MOST_TOKENS, "a"]) == (400, "context_length_exceeded", "input")
    await house.close()


async def test_the_encoders_are_models_too(sdk: AsyncOpenAI) -> None:
    assert [model.id async for model in sdk.models.list()] == ["scripted", ENCODER]
    assert (await sdk.models.retrieve(ENCODER)).owned_by == "heliograph"
    with pytest.raises(openai.NotFoundError):
        await sdk.models.retrieve("nobody")
    with pytest.raises(openai.NotFoundError):
        await sdk.responses.create(model=ENCODER, input="Hi")


class Failing:
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def embed(self, texts: Sequence[TextOrTokens]) -> Embedded:  # noqa: ARG002 - the protocol's
        raise self._error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RejectError("no such id", "invalid_value", "input"), 400, "invalid_value"),
        (TransientError("away"), 503, "server_error"),
        (MemoryError(), 500, "server_error"),
    ],
)
async def test_what_the_encoder_cannot_do_is_told(house: House, error: Exception, status: int, code: str) -> None:
    house.encoders[ENCODER] = Failing(error)
    assert (await refused(house))[:2] == (status, code)


class Silent:
    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.left = asyncio.Event()

    async def embed(self, texts: Sequence[TextOrTokens]) -> Embedded:  # noqa: ARG002 - the protocol's
        self.asked.set()
        try:
            await asyncio.Event().wait()
            raise AssertionError
        finally:
            self.left.set()


async def test_a_client_that_leaves_ends_the_work(house: House) -> None:
    silent = house.encoders[ENCODER] = Silent()
    call = AsgiStream(house.app, "/v1/embeddings", body=json.dumps({"model": ENCODER, "input": "Hi"}).encode())
    entering = asyncio.create_task(call.__aenter__())
    await asyncio.wait_for(silent.asked.wait(), 10)
    await call.__aexit__(None, None, None)
    await entering
    assert silent.left.is_set()


async def test_the_document_has_the_body_and_both_forms_of_a_vector(house: House) -> None:
    document = (await house.client.get("/openapi.json")).json()
    operation = document["paths"]["/v1/embeddings"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/EmbeddingBody"}
    forms = document["components"]["schemas"]["openai.Embedding"]["properties"]["embedding"]["anyOf"]
    assert [form["type"] for form in forms] == ["array", "string"]
