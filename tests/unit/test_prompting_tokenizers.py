import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from deployments.inference.calls import HermesReader
from deployments.prompting.tokenizers import ChatTokenizer, WordCounter
from deployments.prompting.tools_in_words import in_words
from pipelines.payloads import Message, ToolCall, Tooling
from tests.outputs import said

WORDS = ["?", "<system>", "<user>", "<answer>", "hello", "there"]
TEMPLATE = """
{%- for message in messages %}<{{ message.role }}> {{ message.content }} {% endfor -%}
{%- if add_generation_prompt %}<answer>{% endif -%}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder whose tokens are words."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="?"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"unk_token": "?"}))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


def test_the_models_own_chat_template_makes_the_ids(folder: Path) -> None:
    encoded = ChatTokenizer(folder).encode([Message(role="user", content="hello there")])
    assert encoded == ([2, 4, 5, 3], 4)


def test_a_developer_speaks_as_the_system(folder: Path) -> None:
    encoded = ChatTokenizer(folder).encode([Message(role="developer", content="hello")])
    assert encoded.token_ids == [1, 4, 3]


def test_where_there_are_no_tokens_words_count() -> None:
    messages = [Message(role="user", content="hello  there\nyou"), Message(role="assistant", content="")]
    assert WordCounter().encode(messages) == (None, 3)


def test_a_text_that_is_marked_already_is_not_marked_again(folder: Path) -> None:
    assert ChatTokenizer(folder).encode_text("<user> hello") == ([2, 4], 2)


def test_a_template_without_tools_has_them_described(folder: Path) -> None:
    tooling = Tooling(tools=[{"type": "function", "name": "look", "parameters": None}])
    words = in_words([Message(role="user", content="Hi")], [{"name": "look"}])
    assert '{"name": "look"}' in words[0].content
    assert len(ChatTokenizer(folder).encode([Message(role="user", content="hello")], tooling).token_ids or []) > 10


def test_calls_and_their_outputs_have_words() -> None:
    call = ToolCall(id="call", name="look", arguments='{"at": 1}')
    messages = [
        Message(role="system", content="Be kind."),
        Message(role="assistant", content="Well.", tool_calls=[call]),
        Message(role="tool", content="a ship", tool_call_id="call"),
    ]
    told = in_words(messages, [{"name": "look"}])
    assert [message.role for message in told] == ["system", "assistant", "user"]
    assert told[0].content.startswith("Be kind.")
    assert said(HermesReader(), told[1].content) == [("", "", "Well.\n"), ("function_call", "look", '{"at": 1}')]
    assert "a ship" in told[2].content


TOOL_TEMPLATE = """
{%- for tool in tools or [] %}{{ tool.function.name }} {% endfor -%}
{%- for message in messages %}<{{ message.role }}> {{ message.content }} {{ message.reasoning_content }}
{%- for call in message.tool_calls or [] %} {{ call.function.arguments.at }} {% endfor %}
{{- message.name }} {% endfor -%}
{{- reasoning_effort }} {{ enable_thinking }}"""


def test_a_template_with_tools_is_given_them(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "chat_template.jinja").write_text(TOOL_TEMPLATE)
    calls = [ToolCall(id="call", name="there", arguments='{"at": "hello"}')]
    messages = [
        Message(role="assistant", content="", tool_calls=calls, reasoning="there"),
        Message(role="tool", content="?", tool_call_id="call"),
    ]
    tools = [{"type": "function", "name": "hello"}, {"type": "function", "name": "there"}]
    tooling = Tooling(tools=tools, reasoning={"effort": "none"})
    ids = ChatTokenizer(tmp_path).encode(messages, tooling).token_ids
    assert ids == [4, 5, 0, 5, 4, 0, 0, 5, 0, 0]
    hidden = Tooling(tools=tools, tool_choice="none")
    assert (ChatTokenizer(tmp_path).encode(messages, hidden).token_ids or [])[:2] == [0, 5]
