import json

import pytest

from deployments.inference.calls import ForcedCall, ForcedCalls, HermesReader
from deployments.inference.readers import Chain
from deployments.inference.thoughts import ThinkReader
from pipelines.operations import Kind
from tests.outputs import Vocabulary, grouped, said

TALK, THOUGHT, CALL = Kind.MESSAGE, Kind.REASONING, Kind.FUNCTION_CALL
LOOK = '{"name": "look", "arguments": {"at": "}{", "deep": {"a": [1, "\\""]}}}'
ARGUMENTS = '{"at": "}{", "deep": {"a": [1, "\\""]}}'


def letters(text: str) -> list[str]:
    return list(text)


def test_what_stands_between_the_marks_is_reasoning() -> None:
    expected = [(THOUGHT, "", "Hm <thi"), (TALK, "", "Yes</think>")]
    assert said(ThinkReader(), *letters("\n<think>Hm <thi</think>Yes</think>")) == expected


def test_an_output_without_reasoning_is_a_message() -> None:
    assert said(ThinkReader(), *letters("<thin air> <think>")) == [(TALK, "", "<thin air> <think>")]


def test_reasoning_that_the_prompt_began_goes_on() -> None:
    assert said(ThinkReader(begun=True), "Hm", "</think>", "Yes") == [(THOUGHT, "", "Hm"), (TALK, "", "Yes")]


def test_reasoning_that_never_ends_is_reasoning() -> None:
    assert said(ThinkReader(), *letters("<think>Hm </thin")) == [(THOUGHT, "", "Hm </thin")]


def test_calls_stand_between_messages() -> None:
    text = f"Look:<tool_call>\n{LOOK}\n</tool_call>there<tool_call>{LOOK}</tool_call>"
    expected = [(TALK, "", "Look:"), (CALL, "look", ARGUMENTS), (TALK, "", "there"), (CALL, "look", ARGUMENTS)]
    assert said(HermesReader(), *letters(text)) == expected
    assert said(HermesReader(), text) == expected


def test_arguments_leave_as_they_are_written() -> None:
    reader = HermesReader()
    reader.push('<tool_call>{"name": "look", "arguments": ', (0,))
    assert [piece.text for piece in reader.push('{"a"', (1,))] == ['{"a"']
    assert [piece.text for piece in reader.push(": 1}", (2,))] == [": 1}"]
    assert reader.push("}</tool_call>", (3,)) == []


def test_a_call_without_arguments_has_empty_ones() -> None:
    assert said(HermesReader(), '<tool_call>{"name": "look"}</tool_call>') == [(CALL, "look", "{}")]


def test_arguments_before_the_name_wait_for_it() -> None:
    text = '<tool_call>{"parameters": {"a": 1}, "name": "look"}</tool_call>'
    assert said(HermesReader(), *letters(text)) == [(CALL, "look", '{"a": 1}')]


def test_the_closing_mark_may_be_missing() -> None:
    assert said(HermesReader(), *letters(f"<tool_call>{LOOK}")) == [(CALL, "look", ARGUMENTS)]
    assert said(HermesReader(), *letters(f"<tool_call>{LOOK} so")) == [(CALL, "look", ARGUMENTS), (TALK, "", "so")]


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>look()</tool_call> over",
        '<tool_call>{"name": 1, "arguments": {}}</tool_call>',
        '<tool_call>{"arguments": {}}</tool_call>',
        '<tool_call>{"na',
        "<tool_call>",
        "<tool_ca",
        "<tool_call>{}",
        '<tool_call>["look"]</tool_call>',
    ],
)
def test_what_only_looks_like_a_call_is_a_message(text: str) -> None:
    assert said(HermesReader(), *letters(text)) == [(TALK, "", text)]
    assert said(HermesReader(), text) == [(TALK, "", text)]


def test_reasoning_may_be_followed_by_calls() -> None:
    text = f"<think>I <tool_call>{LOOK}</think><tool_call>{LOOK}</tool_call>"
    expected = [(THOUGHT, "", f"I <tool_call>{LOOK}"), (CALL, "look", ARGUMENTS)]
    assert said(Chain(ThinkReader(), HermesReader()), *letters(text)) == expected


def test_a_named_function_gets_the_whole_output() -> None:
    assert said(ForcedCall("look"), " ", '{"a"', ": 1}") == [(CALL, "look", '{"a": 1}')]


@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_an_array_of_calls_is_read_as_it_grows(cut: int) -> None:
    calls = [{"name": "look", "parameters": {"at": "],"}}, {"name": "go", "parameters": {}}]
    text = json.dumps(calls, indent=1)
    read = said(ForcedCalls(), *[text[i : i + cut] for i in range(0, len(text), cut)])
    assert [(kind, name, json.loads(arguments)) for kind, name, arguments in read] == [
        (CALL, "look", {"at": "],"}),
        (CALL, "go", {}),
    ]


def test_an_array_that_is_cut_off_keeps_its_last_call() -> None:
    text = '[{"name": "look", "parameters": {"a": 1}}, {"name": "go", "parameters": {"b'
    assert said(ForcedCalls(), *letters(text)) == [(CALL, "look", '{"a": 1}'), (CALL, "go", '{"b')]


def test_something_else_than_calls_is_a_message() -> None:
    assert said(ForcedCalls(), *letters("I will not.")) == [(TALK, "", "I will not.")]


def test_white_space_between_items_is_nobodys() -> None:
    text = f"<think>\nHm\n</think>\n\n<tool_call>{LOOK}</tool_call>\n<tool_call>{LOOK}</tool_call>\n"
    interpreter = Vocabulary([text.encode()]).interpreter(reader=Chain(ThinkReader(), HermesReader()))
    expected = [(THOUGHT, "", "Hm\n"), (CALL, "look", ARGUMENTS), (CALL, "look", ARGUMENTS)]
    assert grouped(interpreter.push([0]) + interpreter.flush()) == expected


def test_reasoning_tokens_are_counted_with_the_mark_that_ends_them() -> None:
    interpreter = Vocabulary([b"<think>", b"a", b"b", b"</think>", b"c"]).interpreter(reader=ThinkReader())
    interpreter.push(range(5))
    assert interpreter.reasoning_tokens == 3
