"""The engines of other servers, against vLLM's own: what they say is what the server says itself."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from configs.profiles import load_profile
from deployments.app import make_engine
from deployments.engines.anthropic import AnthropicEngine
from deployments.engines.openai import OpenAIEngine
from deployments.engines.protocol import Engine, Generation, Tokens
from pipelines.errors import RejectError, TransientError
from pipelines.operations import Kind, Piece
from pipelines.payloads import Grammar, Message, Prompt, ToolCall
from tests.contract.engine_house import EngineHouse
from tests.servers import free_port
from tests.vllm_server import SLOTS, VllmServer

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900), pytest.mark.vllm, pytest.mark.long]
STORY = [Message(role="user", content="Tell me a story about a lighthouse keeper.")]
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "name": "weather", "description": "The weather of a city.", "parameters": CITY}


@pytest.fixture(scope="module", params=["openai", "anthropic"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def make(kind: str, url: str, *, model: str = VllmServer.model) -> Engine:
    more: dict[str, Any] = {"model": model, "key": "", "context": 2048, "slots": SLOTS}
    return OpenAIEngine(url=f"{url}/v1", **more) if kind == "openai" else AnthropicEngine(url=url, **more)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(kind: str, vllm_server: VllmServer) -> AsyncGenerator[Engine, None]:
    engine = make(kind, vllm_server.url)
    await engine.start()
    yield engine
    await engine.close()


@pytest.fixture(scope="module")
def told(vllm_server: VllmServer) -> dict[str, Any]:
    """The story as the server itself tells it."""
    body = {"model": vllm_server.model, "messages": [{"role": "user", "content": STORY[0].content}]}
    reply = vllm_server.http.post("/v1/chat/completions", json={**body, "temperature": 0, "max_tokens": 40})
    answer: dict[str, Any] = reply.raise_for_status().json()
    return answer


def ask(messages: list[Message] = STORY, **changes: Any) -> Generation:
    fields = {"max_tokens": 40, "temperature": 0, "top_p": 1, **changes}
    return Generation(request_id="one", prompt=Prompt(messages=messages, **fields))


async def run(engine: Engine, generation: Generation) -> list[Tokens]:
    async with aclosing(engine.generate(generation)) as batches:
        return [batch async for batch in batches]


def pieces_of(batches: list[Tokens]) -> list[Piece]:
    return [piece for batch in batches for piece in batch.pieces]


def text_of(batches: list[Tokens]) -> str:
    return "".join(piece.text for piece in pieces_of(batches))


async def test_what_is_said_and_counted_is_what_the_server_says_itself(engine: Engine, told: dict[str, Any]) -> None:
    batches = await run(engine, ask())
    assert text_of(batches) == told["choices"][0]["message"]["content"]
    assert {piece.kind for piece in pieces_of(batches)} == {Kind.MESSAGE}
    assert [batch.finish_reason for batch in batches[:-1]] == [None] * (len(batches) - 1)
    assert batches[-1].finish_reason == "length"
    usage = batches[-1].usage
    assert usage is not None
    assert usage[:2] == (told["usage"]["prompt_tokens"], told["usage"]["completion_tokens"])
    assert len(batches) > 20  # it streams


async def test_it_stops_where_the_model_does(engine: Engine) -> None:
    question = [Message(role="user", content="What is the capital of France?")]
    batches = await run(engine, ask(question, max_tokens=600))
    assert batches[-1].finish_reason == "stop"
    assert "Paris" in text_of(batches)


async def test_it_stops_at_a_stop_string(engine: Engine, told: dict[str, Any]) -> None:
    text = told["choices"][0]["message"]["content"]
    word = text.split()[8]
    batches = await run(engine, ask(stop=[word]))
    assert text_of(batches) == text[: text.index(word)]
    assert batches[-1].finish_reason == "stop"


@pytest.mark.parametrize("choice", [{"type": "function", "name": "weather"}, "required"])
async def test_a_function_that_must_be_called_is_called(engine: Engine, choice: object) -> None:
    text_format = Grammar(kind="json_schema", value='{"type": "integer"}')  # the call comes first
    batches = await run(engine, ask(tools=[WEATHER], tool_choice=choice, grammar=text_format, max_tokens=200))
    first, *others = pieces_of(batches)
    assert (first.kind, first.name, first.opens) == (Kind.FUNCTION_CALL, "weather", True)
    assert {(piece.kind, piece.opens) for piece in others} == {(Kind.FUNCTION_CALL, False)}
    assert json.loads(text_of(batches))["city"] in {"Paris", "Rome"}
    assert batches[-1].finish_reason == "stop"


async def test_an_answer_keeps_to_its_schema(engine: Engine) -> None:
    batches = await run(engine, ask(grammar=Grammar(kind="json_schema", value=json.dumps(CITY))))
    assert json.loads(text_of(batches))["city"] in {"Paris", "Rome"}


async def test_calls_and_their_answers_are_part_of_a_conversation(engine: Engine) -> None:
    call = ToolCall(id="call_1", name="weather", arguments='{"city": "Paris"}')
    turns = [
        Message(role="developer", content="Be brief."),
        *STORY,
        Message(role="assistant", content="", tool_calls=[call]),
        Message(role="tool", content="It rains.", tool_call_id="call_1"),
        Message(role="user", content="And now?"),
    ]
    batches = await run(engine, ask(turns, tools=[WEATHER], tool_choice="none", max_tokens=5))
    assert text_of(batches)
    assert batches[-1].usage is not None
    assert batches[-1].usage.input_tokens > 40


async def test_likelihoods_are_told_or_refused(engine: Engine, kind: str) -> None:
    if kind == "anthropic":
        with pytest.raises(RejectError, match="likelihoods"):
            await run(engine, ask(top_logprobs=2))
        return
    batches = await run(engine, ask(top_logprobs=2, max_tokens=5))
    logprobs = [logprob for piece in pieces_of(batches) for logprob in piece.logprobs]
    assert b"".join(logprob.utf8 for logprob in logprobs).decode() == text_of(batches)
    assert [len(logprob.top) for logprob in logprobs] == [2] * 5
    assert all(logprob.logprob == logprob.top[0].logprob < 0 for logprob in logprobs)


async def test_generations_side_by_side_do_not_mix(engine: Engine, told: dict[str, Any]) -> None:
    stories = await asyncio.gather(*(run(engine, ask()) for _ in range(SLOTS)))
    assert {text_of(story) for story in stories} == {told["choices"][0]["message"]["content"]}


async def test_an_engine_says_what_it_is(engine: Engine) -> None:
    assert engine.fingerprint
    assert not engine.can_continue
    assert engine.context == 2048
    assert engine.decode([]) == ""


async def test_closing_the_iterator_frees_the_servers_slot(engine: Engine, vllm_server: VllmServer) -> None:
    held = [engine.generate(ask(max_tokens=1500)) for _ in range(SLOTS)]
    await asyncio.gather(*(anext(batches) for batches in held))
    assert vllm_server.open_requests() == SLOTS
    assert not engine.has_room()
    await asyncio.gather(*(batches.aclose() for batches in held))
    assert engine.has_room()
    async with asyncio.timeout(5):  # to its end it would take half a minute
        while vllm_server.open_requests():
            await asyncio.sleep(0.02)


async def test_more_than_there_are_slots_wait_here_and_not_at_the_server(
    engine: Engine, vllm_server: VllmServer
) -> None:
    held = [engine.generate(ask(max_tokens=1500)) for _ in range(SLOTS)]
    await asyncio.gather(*(anext(batches) for batches in held))
    late = asyncio.ensure_future(run(engine, ask(max_tokens=2)))
    await anext(held[0])
    assert vllm_server.open_requests() == SLOTS
    assert not late.done()
    await held[0].aclose()
    assert (await late)[-1].finish_reason == "length"
    await asyncio.gather(*(batches.aclose() for batches in held))


async def test_a_model_that_the_server_does_not_have_is_refused(kind: str, vllm_server: VllmServer) -> None:
    engine = make(kind, vllm_server.url, model="nobody")
    with pytest.raises(RejectError, match=r"nobody.*does not exist") as refused:
        await run(engine, ask())
    assert refused.value.code == "model_not_found"
    await engine.close()


async def test_what_the_server_finds_too_long_is_refused(engine: Engine) -> None:
    with pytest.raises(RejectError, match="2048") as refused:
        await run(engine, ask(max_tokens=5000))
    assert refused.value.code == "invalid_value"
    assert engine.has_room()


async def test_a_server_that_is_not_there_is_tried_again(kind: str) -> None:
    engine = make(kind, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TransientError, match="cannot be reached"):
        await run(engine, ask())
    assert engine.has_room()
    await engine.close()


async def test_a_job_of_a_profile_is_done_by_its_server(
    kind: str, vllm_server: VllmServer, told: dict[str, Any], tmp_path: Path
) -> None:
    url = f"{vllm_server.url}/v1" if kind == "openai" else vllm_server.url
    profile = load_profile(kind).model_copy(update={"endpoint": url, "source": vllm_server.model})
    engine = make_engine(profile)
    body = {"model": kind, "prompt": STORY[0].content, "max_output_tokens": 40, "temperature": 0}
    async with EngineHouse.open(tmp_path, engine, model=kind, slots=SLOTS) as house:
        reply = await house.http.post("/async-generate", json=body)
        assert reply.status_code == 202, reply.text
        job = reply.json()["job_id"]
        frames = await house.frames(job)
        response = await house.get(f"/v1/responses/{job}")
    await engine.close()
    text = told["choices"][0]["message"]["content"]
    assert "".join(frame["text"] for frame in frames if frame["type"] == "token") == text
    assert response["output"][0]["content"][0]["text"] == text
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert response["usage"]["total_tokens"] == told["usage"]["total_tokens"]
