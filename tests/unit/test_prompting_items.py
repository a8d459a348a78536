from typing import Any

import pytest

from deployments.prompting.items import check_answers, messages_of
from pipelines.errors import RejectError
from pipelines.payloads import Message, ToolCall

CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "id": "fco_1", "call_id": "call_1", "output": "a ship"}
LOOK = ToolCall(id="call_1", name="look", arguments="{}")


def said(role: str, *texts: str, **more: Any) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text} for text in texts], **more}


def thought(text: str) -> dict[str, Any]:
    return {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": text}]}


def test_messages_keep_their_role_and_their_parts() -> None:
    items = [said("developer", "a"), said("user", "b", "c"), {"role": "assistant", "content": "d"}]
    assert [(message.role, message.content) for message in messages_of(items)] == [
        ("developer", "a"),
        ("user", "b\nc"),
        ("assistant", "d"),
    ]


def test_what_an_assistant_thinks_says_and_calls_is_one_turn() -> None:
    other = {**CALL, "id": "fc_2", "call_id": "call_2"}
    messages = messages_of([thought("Hm"), said("assistant", "Well"), CALL, other, OUTPUT])
    assert messages == [
        Message(
            role="assistant",
            content="Well",
            reasoning="Hm",
            tool_calls=[LOOK, LOOK.model_copy(update={"id": "call_2"})],
        ),
        Message(role="tool", content="a ship", tool_call_id="call_1"),
    ]


def test_a_refusal_and_an_output_of_parts_are_text() -> None:
    refusal = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    output = {**OUTPUT, "output": [{"type": "input_text", "text": "a"}]}
    assert [message.content for message in messages_of([refusal, output])] == ["No.", "a"]


def test_an_item_that_comes_again_counts_once() -> None:
    assert len(messages_of([said("user", "a", id="msg_1"), said("user", "b"), said("user", "a", id="msg_1")])) == 2


@pytest.mark.parametrize(
    "item",
    [
        {"type": "item_reference", "id": "msg_1"},
        {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "x"}]},
    ],
)
def test_what_is_no_text_is_rejected(item: dict[str, Any]) -> None:
    with pytest.raises(RejectError) as caught:
        messages_of([item])
    assert (caught.value.code, caught.value.param) == ("invalid_value", "input")


def test_an_output_needs_a_call_before_it() -> None:
    check_answers(messages_of([CALL, OUTPUT]))
    with pytest.raises(RejectError, match="call_1"):
        check_answers(messages_of([OUTPUT, CALL]))
