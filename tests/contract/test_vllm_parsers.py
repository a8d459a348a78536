"""vLLM's own parsers, a token at a time, on SmolLM2's tokenizer with the marks that they look for."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast

from deployments.inference.interpreter import Interpreter
from deployments.inference.language import Interpreters, Language
from heliograph.models import add_model
from pipelines.operations import Kind
from pipelines.payloads import Prompt
from tests.outputs import grouped

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(300)]  # vLLM takes half a minute to import
TALK, THOUGHT, CALL = Kind.MESSAGE, Kind.REASONING, Kind.FUNCTION_CALL
MARKS = ["<think>", "</think>", "<tool_call>", "</tool_call>"]
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}
XML = "<tool_call>\n<function=look>\n<parameter=at>\né 漢字 👩🏽‍🚀\n</parameter>\n</function>\n</tool_call>"
JSON = '<tool_call>{"name": "look", "arguments": {"at": "é"}}</tool_call>'
ARGUMENTS = '{"at": "é 漢字 👩🏽‍🚀"}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, folder = add_model("smollm2-135m-instruct"), tmp_path_factory.mktemp("model")
    for name in ("config.json", "generation_config.json", "chat_template.jinja"):
        shutil.copy(source / name, folder / name)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(source)
    tokenizer.add_tokens([AddedToken(mark, special=True, normalized=False) for mark in MARKS], special_tokens=True)
    tokenizer.save_pretrained(folder)
    return folder


class Mouth:
    """Says texts in a language."""

    def __init__(self, folder: Path, tool_parser: str, reasoning_parser: str) -> None:
        from deployments.engines.vllm.parsers import VllmLanguage  # noqa: PLC0415 - seconds to import

        self.language: Language = VllmLanguage(folder, tool_parser=tool_parser, reasoning_parser=reasoning_parser)
        self._tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)

    def ids(self, text: str) -> list[int]:
        return [*self._tokenizer.encode(text), self._tokenizer.eos_token_id]

    def interpreter(self, **more: Any) -> Interpreter:
        fields = {"messages": [], "temperature": 0, "top_p": 1, "max_tokens": 99, "tools": [TOOL], "token_ids": [1]}
        prompt = Prompt.model_validate({**fields, **more})
        return Interpreters(self.language).make(prompt)

    def say(self, text: str, **more: Any) -> list[tuple[str, str, str]]:
        return read(self.interpreter(**more), [[token] for token in self.ids(text)])


def read(interpreter: Interpreter, batches: Iterable[list[int]]) -> list[tuple[str, str, str]]:
    return grouped([piece for ids in batches for piece in interpreter.push(ids)] + interpreter.flush())


@pytest.fixture(
    scope="module",
    params=[("qwen3_coder", "qwen3"), ("qwen3_coder", "think"), ("hermes", "deepseek_r1"), ("hermes", "think")],
    ids="-".join,
)
def mouth(request: pytest.FixtureRequest, folder: Path) -> Mouth:
    return Mouth(folder, *request.param)


@pytest.fixture
def call(request: pytest.FixtureRequest, mouth: Mouth) -> tuple[str, str]:
    """A call as the model writes it, and its arguments."""
    del mouth
    named = request.node.callspec.params["mouth"][0]
    return (XML, ARGUMENTS) if named == "qwen3_coder" else (JSON, '{"at": "é"}')


def test_reasoning_text_and_calls_are_told_apart(mouth: Mouth, call: tuple[str, str]) -> None:
    text, arguments = call
    assert mouth.say(f"<think>\nHm é</think>\n\nLook: {text}") == [
        (THOUGHT, "", "Hm é"),
        (TALK, "", "Look: "),
        (CALL, "look", arguments),
    ]


def test_it_is_the_same_from_every_cut(mouth: Mouth, call: tuple[str, str]) -> None:
    ids = mouth.ids(f"<think>Hm 👩🏽‍🚀</think>é{call[0]}{call[0]}")
    whole = read(mouth.interpreter(), [ids])
    assert [kind for kind, *_ in whole] == [THOUGHT, TALK, CALL, CALL]
    for cut in range(len(ids)):
        interpreter = mouth.interpreter()
        shown = interpreter.push(ids[:cut])
        later = mouth.interpreter()
        later.push(ids[:cut])
        assert grouped([*shown, *later.push(ids[cut:]), *later.flush()]) == whole


def test_one_call_is_the_last_where_calls_are_not_parallel(mouth: Mouth, call: tuple[str, str]) -> None:
    text, arguments = call
    said = mouth.say(f"<think>Hm</think>{text}{text} so", parallel_tool_calls=False)
    assert said == [(THOUGHT, "", "Hm"), (CALL, "look", arguments)]


@pytest.mark.parametrize("text", ["Look <tool_ca", 'Look <tool_call>{"na', "Look <tool_call>"])
def test_what_was_begun_and_is_no_call_is_text(mouth: Mouth, text: str) -> None:
    assert mouth.say(f"<think>Hm</think>{text}") == [(THOUGHT, "", "Hm"), (TALK, "", text)]


def test_where_there_are_no_tools_their_marks_are_text(mouth: Mouth, call: tuple[str, str]) -> None:
    assert mouth.say(f"<think>Hm</think>{call[0]}", tools=[]) == [(THOUGHT, "", "Hm"), (TALK, "", call[0])]


def test_a_parser_that_raises_leaves_plain_text(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vllm.tool_parsers import ToolParser, ToolParserManager  # noqa: PLC0415 - as above

    class Clumsy(ToolParser):  # type: ignore[misc]  # vLLM has no types here
        def extract_tool_calls_streaming(self, _: str, current_text: str, *more: Any) -> None:
            if "}" in current_text:
                raise ValueError(more)

    monkeypatch.setitem(ToolParserManager.tool_parsers, "clumsy", Clumsy)
    assert Mouth(folder, "clumsy", "").say("Look: {}, and so on") == [(TALK, "", "Look: {}, and so on")]


@pytest.mark.parametrize("names", [("other", ""), ("", "other"), ("llama3_json", "")])
def test_a_parser_that_does_not_fit_is_refused_at_the_start(folder: Path, names: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="arser"):
        Mouth(folder, *names)


def test_the_bytes_of_tokens_are_those_of_the_text(folder: Path) -> None:
    mouth = Mouth(folder, "", "")
    text = "é 漢字 👩🏽‍🚀 <think>"
    assert b"".join(map(mouth.language.token_bytes, mouth.ids(text)[:-1])) == text.encode()
