"""What an inference worker makes of an output that is more than one message."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from deployments.engines.protocol import Generation, TokenLogprob, Tokens
from deployments.engines.scripted import ScriptedEngine
from deployments.inference.language import EngineLanguage, Interpreters
from pipelines.jobs import Status, Usage
from pipelines.operations import Kind, Piece
from tests.workers import Workshop, prompt

TOOL = {"type": "function", "name": "look", "description": None, "parameters": None, "strict": True}
TEXT = '<think>Hm</think>Look:<tool_call>{"name": "look", "arguments": {"at": 1}}</tool_call>'


class Speaker(ScriptedEngine):
    """Says its text, a letter at a time; counts how many letters it was asked for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text
        self.letters = 0

    async def generate(self, generation: Generation) -> AsyncGenerator[Tokens, None]:
        for letter in self._text[len(generation.logged_ids) : -1]:
            self.letters += 1
            yield Tokens([ord(letter)], None, [TokenLogprob(ord(letter), -0.5, [(ord("é"), -1.5)])], cached_tokens=2)
        yield Tokens([ord(self._text[-1])], "stop", [TokenLogprob(ord(self._text[-1]), -0.5, [])])

    def decode(self, ids: list[int]) -> str:
        return "".join(map(chr, ids))


class Caller(ScriptedEngine):
    """Has no tokens."""

    can_continue = False
    step_tokens = 0

    async def generate(self, generation: Generation) -> AsyncGenerator[Tokens, None]:
        call = Piece(text="{", kind=Kind.FUNCTION_CALL, name=generation.prompt.messages[0].content, opens=True)
        yield Tokens([], None, pieces=(Piece(text="Hm", kind=Kind.REASONING), call))
        rest = Piece(text="}", kind=Kind.FUNCTION_CALL)
        yield Tokens([], "stop", pieces=(rest,), usage=Usage(7, 8, 9))


def shop_of(folder: Path, engine: ScriptedEngine, **parsers: str) -> Workshop:
    shop = Workshop(folder, engine=engine)
    shop.worker = shop.make_worker(engine, Interpreters(EngineLanguage(engine, **parsers)))
    return shop


def kinds(output: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(item["type"], item["status"]) for item in output]


async def test_a_stop_string_ends_the_output_and_the_engine(tmp_path: Path) -> None:
    engine = Speaker("One. Two. Three.")
    shop = shop_of(tmp_path, engine)
    await shop.run(await shop.prompts(prompt(stop=[" Tw", "Three"])))
    result = await shop.result()
    assert result.output[0]["content"][0]["text"] == "One."
    assert (result.finish_reason, result.usage.output_tokens, engine.letters) == ("stop", 7, 7)
    assert result.token_ids == [ord(letter) for letter in "One. Tw"]
    assert (await shop.job()).status is Status.COMPLETED


async def test_reasoning_text_and_a_call_are_items_of_their_own(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, Speaker(TEXT), tool_parser="hermes", reasoning_parser="think")
    await shop.run(await shop.prompts(prompt(tools=[TOOL])))
    result = await shop.result()
    thought, talk, call = result.output
    assert kinds(result.output) == [(kind, "completed") for kind in ("reasoning", "message", "function_call")]
    assert thought["content"] == [{"type": "reasoning_text", "text": "Hm"}]
    assert (talk["content"][0]["text"], call["name"], call["arguments"]) == ("Look:", "look", '{"at": 1}')
    assert call["call_id"].startswith("call_")
    assert result.usage == (1, len(TEXT), 2)
    assert 0 < result.reasoning_tokens < len(TEXT)


@pytest.mark.parametrize("choice", ["none", {"type": "allowed_tools", "mode": "auto", "tools": []}])
async def test_who_may_not_call_writes_text(tmp_path: Path, choice: Any) -> None:
    shop = shop_of(tmp_path, Speaker(TEXT), tool_parser="hermes")
    await shop.run(await shop.prompts(prompt(tools=[TOOL], tool_choice=choice)))
    assert (await shop.result()).output[0]["content"][0]["text"] == TEXT


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ("required", '[{"name": "look", "parameters": {"at": 1}}]'),
        ({"type": "function", "name": "look"}, '{"at": 1}'),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "look"}]},
            '[{"name": "look", "parameters": {"at": 1}}]',
        ),
    ],
)
async def test_who_must_call_says_nothing_else(tmp_path: Path, choice: Any, text: str) -> None:
    shop = shop_of(tmp_path, Speaker(text))
    await shop.run(await shop.prompts(prompt(tools=[TOOL], tool_choice=choice)))
    (call,) = (await shop.result()).output
    assert (call["type"], call["name"], json.loads(call["arguments"])) == ("function_call", "look", {"at": 1})


@pytest.mark.parametrize("parallel", [True, False])
async def test_calls_that_are_not_parallel_end_with_the_first(tmp_path: Path, parallel: bool) -> None:
    call = '<tool_call>{"name": "look", "arguments": {}}</tool_call>'
    engine = Speaker(f"{call}{call} and so on")
    shop = shop_of(tmp_path, engine, tool_parser="hermes")
    await shop.run(await shop.prompts(prompt(tools=[TOOL], parallel_tool_calls=parallel)))
    kinds_said = [item["type"] for item in (await shop.result()).output]
    assert kinds_said == (["function_call", "function_call", "message"] if parallel else ["function_call"])
    assert (engine.letters < len(call) * 2) is not parallel


async def test_likelihoods_stand_at_the_text(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, Speaker("é!"))
    await shop.run(await shop.prompts(prompt(top_logprobs=1)))
    first, second = (await shop.result()).output[0]["content"][0]["logprobs"]
    assert (first["token"], first["bytes"], first["logprob"]) == ("é", [0xC3, 0xA9], -0.5)
    assert first["top_logprobs"] == [{"token": "é", "bytes": [0xC3, 0xA9], "logprob": -1.5}]
    assert (second["token"], second["top_logprobs"]) == ("!", [])


async def test_an_output_that_says_nothing_is_an_empty_message(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, Speaker("\n\n"), tool_parser="hermes")
    await shop.run(await shop.prompts(prompt(tools=[TOOL])))
    (message,) = (await shop.result()).output
    assert message["content"][0]["text"] == ""


async def test_an_engine_without_tokens_speaks_in_pieces_and_counts_for_itself(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, Caller())
    await shop.run(await shop.prompts(prompt("look")))
    result = await shop.result()
    assert kinds(result.output) == [("reasoning", "completed"), ("function_call", "completed")]
    assert (result.output[1]["name"], result.output[1]["arguments"]) == ("look", "{}")
    assert (result.usage, result.token_ids) == ((7, 8, 9), [])


async def test_what_an_engine_without_tokens_has_shown_is_not_begun_again(tmp_path: Path) -> None:
    class Stumbling(Caller):
        async def generate(self, generation: Generation) -> AsyncGenerator[Tokens, None]:
            yield Tokens([], None, pieces=(Piece(text=generation.request_id),))
            raise ConnectionError

    shop = shop_of(tmp_path, Stumbling())
    await shop.run(await shop.prompts(prompt()))
    job = await shop.job()
    assert job.fault is not None
    assert job.fault.code == "engine_interrupted"
    assert job.fault.message.endswith("ConnectionError")


def test_a_parser_that_is_not_built_in_is_refused() -> None:
    for parsers in ({"tool_parser": "other"}, {"reasoning_parser": "other"}):
        with pytest.raises(ValueError, match="'other'"):
            EngineLanguage(ScriptedEngine(), **parsers)
