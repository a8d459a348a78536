"""What a prompt becomes on the way to another server."""

from typing import Any

import pytest

from configs.profiles import ModelProfile, endpoint_key
from deployments.engines.anthropic_body import messages_body
from deployments.engines.openai_body import chat_body
from pipelines.errors import RejectError
from pipelines.payloads import Grammar, Message, Prompt, ToolCall

TOOLS: list[dict[str, Any]] = [
    {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True},
    {"type": "function", "name": "time"},
]
CALL = ToolCall(id="c1", name="weather", arguments='{"a": 1}')
TURNS = [
    Message(role="system", content="Be kind."),
    Message(role="user", content="Hi"),
    Message(role="assistant", content="I look.", tool_calls=[CALL, ToolCall(id="c2", name="time", arguments="no")]),
    Message(role="tool", content="Rain", tool_call_id="c1"),
    Message(role="tool", content="Noon", tool_call_id="c2"),
    Message(role="user", content="And?"),
    Message(role="developer", content="Be brief."),
]


def ask(**fields: Any) -> Prompt:
    return Prompt(**{"messages": TURNS, "max_tokens": 9, "temperature": 1, "top_p": 1, **fields})


def chat(*, hosted: bool = False, **fields: Any) -> dict[str, Any]:
    return chat_body(ask(**fields), model="m", hosted=hosted)


def messages(*, hosted: bool = False, **fields: Any) -> dict[str, Any]:
    return messages_body(ask(**fields), model="m", hosted=hosted)


def test_turns_in_openais_form() -> None:
    _, _, assistant, tool, *_, developer = chat()["messages"]
    assert assistant["content"] == "I look."
    assert assistant["tool_calls"][0] == {
        "id": "c1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"a": 1}'},
    }
    assert tool == {"role": "tool", "content": "Rain", "tool_call_id": "c1"}
    assert (developer["role"], chat(hosted=True)["messages"][-1]["role"]) == ("system", "developer")


def test_turns_in_anthropics_form() -> None:
    body = messages()
    assert body["system"] == "Be kind.\n\nBe brief."
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in body["messages"][2]["content"]] == ["tool_result", "tool_result", "text"]
    assert [block.get("input") for block in body["messages"][1]["content"]] == [None, {"a": 1}, {"arguments": "no"}]


def test_openai_itself_gets_no_defaults_and_others_get_all_values() -> None:
    values = {"temperature", "top_p", "presence_penalty", "frequency_penalty"}
    assert values.isdisjoint(chat(hosted=True))
    assert values <= set(chat())
    assert chat(hosted=True, temperature=0.5)["temperature"] == 0.5
    assert (chat()["max_tokens"], chat(hosted=True)["max_completion_tokens"]) == (9, 9)
    assert messages(hosted=True)["extra_body"] == {}
    assert messages(temperature=0)["extra_body"] == {"temperature": 0, "top_p": 1}


def test_what_is_not_asked_for_is_not_sent() -> None:
    assert set(chat(hosted=True)) == {"model", "messages", "max_completion_tokens", "stream", "stream_options"}
    assert set(messages()) == {"model", "messages", "max_tokens", "stream", "system", "extra_body"}


@pytest.mark.parametrize(
    ("choice", "of_openai", "of_anthropic"),
    [
        ("auto", "auto", {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", "required", {"type": "any", "disable_parallel_tool_use": True}),
        ("none", "none", {"type": "none"}),
        (
            {"type": "function", "name": "time"},
            {"type": "function", "function": {"name": "time"}},
            {"type": "tool", "name": "time", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_choices_of_tools(choice: object, of_openai: object, of_anthropic: object) -> None:
    fields: dict[str, Any] = {"tools": TOOLS, "tool_choice": choice, "parallel_tool_calls": False}
    body = chat(**fields)
    assert (body["tool_choice"], body["parallel_tool_calls"]) == (of_openai, False)
    assert messages(**fields)["tool_choice"] == of_anthropic


def test_tools() -> None:
    assert chat(tools=TOOLS)["tools"][0] == {
        "type": "function",
        "function": {"name": "weather", "parameters": {"type": "object"}, "strict": True},
    }
    assert messages(tools=TOOLS)["tools"][1] == {"name": "time", "input_schema": {"type": "object"}}


def test_only_allowed_tools_are_offered() -> None:
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "time"}]}
    body = chat(tools=TOOLS, tool_choice=choice)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["time"]
    assert body["tool_choice"] == "required"


def test_forms_of_the_answer() -> None:
    schema = Grammar(kind="json_schema", value='{"type": "object"}')
    assert chat(grammar=schema)["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert messages(grammar=schema)["output_config"]["format"]["schema"] == {"type": "object"}
    assert chat(grammar=Grammar(kind="json_object"))["response_format"] == {"type": "json_object"}
    assert "response_format" not in chat(grammar=schema, tools=TOOLS, tool_choice="required")
    assert chat(grammar=schema, tools=TOOLS)["response_format"]["type"] == "json_schema"


def test_what_a_server_cannot_do_is_refused_and_not_forgotten() -> None:
    with pytest.raises(RejectError):
        chat(grammar=Grammar(kind="regex", value="a+"))
    with pytest.raises(RejectError):
        messages(grammar=Grammar(kind="json_object"))
    with pytest.raises(RejectError):
        messages(top_logprobs=0)


def test_how_much_to_think_and_when_to_stop() -> None:
    fields: dict[str, Any] = {"reasoning": {"effort": "minimal"}, "stop": ["."], "seed": 1, "top_logprobs": 3}
    body = chat(**fields)
    assert (body["reasoning_effort"], body["stop"], body["seed"]) == ("minimal", ["."], 1)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 3)
    body = messages(reasoning={"effort": "minimal"}, stop=["."])
    assert (body["output_config"], body["stop_sequences"]) == ({"effort": "low"}, ["."])
    assert messages(reasoning={"effort": "none"})["thinking"] == {"type": "disabled"}


def test_a_hosted_service_has_its_key_and_another_server_only_the_one_that_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "theirs")
    monkeypatch.setenv("OURS", "ours")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    assert endpoint_key(ModelProfile(name="m", engine="openai")) == "theirs"
    assert endpoint_key(ModelProfile(name="m", engine="openai", endpoint="http://a/v1")) == ""
    assert endpoint_key(ModelProfile(name="m", engine="openai", endpoint="http://a/v1", api_key_env="OURS")) == "ours"
    with pytest.raises(LookupError, match="ANTHROPIC_API_KEY"):
        endpoint_key(ModelProfile(name="m", engine="anthropic"))
