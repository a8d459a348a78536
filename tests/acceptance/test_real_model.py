"""A real model behind the whole platform: it says what vLLM's own server says, whichever way it is asked.

The platform's engine is vLLM itself, or one that asks that server by the protocol of OpenAI or of Anthropic.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from openai import OpenAI
from openai.types.responses import Response

from configs.settings import CONFIGS
from heliograph.models import add_model
from tests.acceptance.asking import poll
from tests.batch_crew import CHAT
from tests.servers import ServerProcess, until
from tests.vllm_server import SLOTS, VllmServer

CODE = ("actors", "configs", "deployments", "events", "heliograph", "pipelines")
COUNTED = ("prompt_tokens", "completion_tokens", "total_tokens")
MODEL = "smollm2-135m-instruct"
KNOWLEDGE = {"encoders": ["all-minilm-l6-v2", "maxsim"], "encoder": "all-minilm-l6-v2", "reranker": "maxsim"}
QUESTION = "Tell me about a lighthouse keeper and his cat."
ASKED: dict[str, Any] = {"model": MODEL, "input": QUESTION, "temperature": 0, "max_output_tokens": 40}
WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 12}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning"),
]


REMOTE = [pytest.param(name, marks=pytest.mark.long) for name in ("openai", "anthropic")]


@pytest.fixture(scope="module", params=["vllm", *REMOTE])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def real(
    engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """The monolith with a real model."""
    add_model(MODEL)
    folder = tmp_path_factory.mktemp("real")
    (folder / "real.yaml").write_text(yaml.safe_dump({"models": [MODEL], **KNOWLEDGE}))
    code = None if engine == "vllm" else remote(engine, request.getfixturevalue("vllm_server"), folder / "code")
    server = ServerProcess(folder / "real.yaml", folder / "data", model=MODEL, code=code)
    server.start()
    yield server
    server.stop()


def remote(engine: str, peer: VllmServer, code: Path) -> Path:
    """Our code with another profile of the model: the engine's own, with that server as its endpoint."""
    for package in CODE:
        shutil.copytree(CONFIGS.parent / package, code / package)
    profiles = code / "configs" / "models"
    profile = yaml.safe_load((profiles / f"{engine}.yaml").read_text())
    endpoint = f"{peer.url}/v1" if engine == "openai" else peer.url
    profile |= {"source": peer.model, "endpoint": endpoint, "context": 2048, "slots": SLOTS}
    (profiles / f"{MODEL}.yaml").write_text(yaml.safe_dump(profile))
    return code


@pytest.fixture(scope="module")
def sdk(real: ServerProcess) -> Iterator[Any]:
    with OpenAI(base_url=f"{real.url}/v1", api_key="none", max_retries=0, _strict_response_validation=True) as client:
        yield client


def by_socket(sdk: OpenAI) -> Response:
    with sdk.responses.connect() as connection:
        connection.response.create(**ASKED)
        for event in connection:
            if event.type == "response.incomplete":
                return event.response
    raise AssertionError("the socket ended")


WAYS = {
    "plain": lambda sdk: sdk.responses.create(**ASKED),
    "stream": lambda sdk: list(sdk.responses.create(**ASKED, stream=True))[-1].response,
    "background": lambda sdk: poll(sdk, sdk.responses.create(**ASKED, background=True)),
    "socket": by_socket,
}


@pytest.fixture(scope="module")
def told(vllm_server: VllmServer) -> dict[str, Any]:
    """What vLLM's own server says."""
    body = {"model": vllm_server.model, "messages": [{"role": "user", "content": QUESTION}]}
    reply = vllm_server.http.post("/v1/chat/completions", json={**body, "temperature": 0, "max_tokens": 40})
    answer: dict[str, Any] = reply.raise_for_status().json()
    return answer


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
def test_each_way_says_what_vllm_says(sdk: OpenAI, told: dict[str, Any], way: str) -> None:
    response = WAYS[way](sdk)
    assert response.output_text == told["choices"][0]["message"]["content"]
    assert response.usage is not None
    usage = (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens)
    assert usage == tuple(told["usage"][name] for name in COUNTED)


@pytest.mark.long
def test_chat_says_it_too(sdk: OpenAI, told: dict[str, Any]) -> None:
    messages: Any = [{"role": "user", "content": QUESTION}]
    whole = sdk.chat.completions.create(model=MODEL, messages=messages, temperature=0, max_tokens=40)
    assert whole.choices[0].message.content == told["choices"][0]["message"]["content"]
    assert whole.usage is not None
    assert whole.usage.completion_tokens == told["usage"]["completion_tokens"]


@pytest.mark.long
def test_a_batch_says_it_too(sdk: OpenAI, told: dict[str, Any]) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": QUESTION}], "temperature": 0, "max_tokens": 40}
    lines = [{"custom_id": str(n), "method": "POST", "url": CHAT, "body": body} for n in range(3)]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    file = sdk.files.create(file=("lines.jsonl", text.encode()), purpose="batch")
    batch = sdk.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    until(lambda: sdk.batches.retrieve(batch.id).status == "completed", seconds=120, what="the batch")
    batch = sdk.batches.retrieve(batch.id)
    assert batch.output_file_id is not None
    answers = [
        json.loads(line)["response"]["body"] for line in sdk.files.content(batch.output_file_id).text.splitlines()
    ]
    usage = [tuple(answer["usage"][name] for name in COUNTED) for answer in answers]
    assert {answer["choices"][0]["message"]["content"] for answer in answers} == {
        told["choices"][0]["message"]["content"]
    }
    assert usage == [tuple(told["usage"][name] for name in COUNTED)] * 3


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "weather"}])
def test_a_function_that_must_be_called_is_called(sdk: Any, choice: Any) -> None:
    asked = {**ASKED, "max_output_tokens": 200, "tools": [WEATHER], "tool_choice": choice, "parallel_tool_calls": False}
    (call,) = sdk.responses.create(**{**asked, "input": "What is the weather in Paris?"}).output
    assert (call.type, call.name) == ("function_call", "weather")
    assert json.loads(call.arguments).keys() == {"city"}


def test_an_answer_keeps_to_its_schema(sdk: Any) -> None:
    schema = {**WEATHER["parameters"], "required": ["city"]}
    text = {"format": {"type": "json_schema", "name": "place", "schema": schema, "strict": True}}
    response = sdk.responses.create(
        **{**ASKED, "input": "Name a city in JSON.", "text": text, "max_output_tokens": 200}
    )
    assert json.loads(response.output_text).keys() == {"city"}


@pytest.mark.parametrize("engine", ["vllm"], indirect=True, scope="module")
def test_a_second_turn_finds_the_first_one_in_the_cache(sdk: Any) -> None:
    first = sdk.responses.create(**{**ASKED, "input": "Tell me of ships, storms and whales. " * 30})
    second = sdk.responses.create(**{**ASKED, "input": "And then?", "previous_response_id": first.id})
    assert second.usage.input_tokens > first.usage.total_tokens
    assert second.usage.input_tokens_details.cached_tokens > 128  # more than one block


def test_an_answer_rests_on_the_part_of_a_document_that_has_it(sdk: Any) -> None:
    document = (CONFIGS.parent / "LICENSE").read_bytes()
    chunking = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}}
    store = sdk.vector_stores.create(name="Papers")
    file = sdk.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("LICENSE.txt", document), chunking_strategy=chunking
    )
    assert (file.status, file.last_error) == ("completed", None)
    response = sdk.responses.create(
        **ASKED | {"input": "When do patent licenses granted under this License terminate?"},
        tools=[{"type": "file_search", "vector_store_ids": [store.id], "max_num_results": 3}],
        include=["file_search_call.results"],
    )
    search, message = response.output
    passages = {result.text for result in search.results if result.file_id == file.id}
    assert any("patent litigation" in " ".join(text.split()) for text in passages)
    assert message.content[0].annotations
    for cited in message.content[0].annotations:
        assert (cited.file_id, cited.filename) == (file.id, "LICENSE.txt")
        assert document.decode()[cited.source["start"] : cited.source["end"]] in passages
