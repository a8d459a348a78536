"""From messages to token ids, by the chat template that comes with the model."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from deployments.prompting.tools_in_words import in_words
from deployments.tool_choice import tool_choice
from pipelines.payloads import Message, ToolCall, Tooling

_NO_TOOLS = Tooling()
_TOOLS = re.compile(r"\btools\b")


class Encoded(NamedTuple):
    """A prompt's ids, None where the engine takes text; and how many tokens it has."""

    token_ids: list[int] | None
    tokens: int


class Tokenizer(Protocol):
    """What the renderer needs of a model's tokenizer."""

    def encode(self, messages: Sequence[Message], tooling: Tooling = ..., start: Sequence[int] = ()) -> Encoded:
        """The whole prompt, up to where the model's answer begins.

        It begins with the ids of `start`, where these are its beginning: an engine has them in its cache.
        """

    def encode_raw(self, text: str) -> Encoded:
        """A text that is the whole prompt, without the template."""


class WordCounter:
    """For engines without a tokenizer here: a word counts as one."""

    def encode(self, messages: Sequence[Message], tooling: Tooling = _NO_TOOLS, start: Sequence[int] = ()) -> Encoded:
        """No ids."""
        del tooling, start
        return Encoded(None, sum([len(message.content.split()) for message in messages]))

    def encode_raw(self, text: str) -> Encoded:
        """No ids."""
        return Encoded(None, len(text.split()))


class ChatTokenizer:
    """The tokenizer and the chat template of a model folder."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = _load(folder)
        template = self._tokenizer.chat_template or ""  # or several by name
        self._knows_tools = any(map(_TOOLS.search, [template] if isinstance(template, str) else template.values()))

    def encode(self, messages: Sequence[Message], tooling: Tooling = _NO_TOOLS, start: Sequence[int] = ()) -> Encoded:
        """The ids of the chat template filled with these messages."""
        text = self._text(messages, tooling)
        ids = self._after(list(start), text) if start else None
        return Encoded(ids, len(ids)) if ids else self.encode_text(text)

    def encode_text(self, text: str) -> Encoded:
        """The ids of a text that already has the marks of the template."""
        ids = self._tokenizer.encode(text, add_special_tokens=False)
        return Encoded(ids, len(ids))

    def text(self, ids: Sequence[int]) -> str:
        """What ids stand for, marks and all."""
        decode = self._tokenizer.decode
        return str(decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _text(self, messages: Sequence[Message], tooling: Tooling) -> str:
        functions = [_function(function) for function in tool_choice(tooling).functions]
        if not self._knows_tools:
            messages, functions = in_words(messages, functions), []
        text: str = self._tokenizer.apply_chat_template(
            _turns(messages), tools=functions or None, add_generation_prompt=True, tokenize=False, **_effort(tooling)
        )
        return text

    def _after(self, start: list[int], text: str) -> list[int] | None:
        """The ids of the text that begin with `start`, None where the text does not begin with theirs."""
        said = self.text(start)
        if not text.startswith(said):
            return None
        return start + list(self._tokenizer.encode(text[len(said) :], add_special_tokens=False))

    def encode_raw(self, text: str) -> Encoded:
        """The ids of a text, with what the model wants at the beginning of every one."""
        ids = self._tokenizer.encode(text)
        return Encoded(ids, len(ids))


def _load(folder: Path) -> Any:
    # Imported late, as processes without such a model should not pay for it; and the automatic class only where it
    # must be, as it imports torch: ten seconds and 250 MB more on a small machine.
    if (folder / "tokenizer.json").is_file():
        from transformers import PreTrainedTokenizerFast  # noqa: PLC0415

        return PreTrainedTokenizerFast.from_pretrained(folder)
    from transformers import AutoTokenizer  # noqa: PLC0415

    return AutoTokenizer.from_pretrained(folder)


def _function(function: dict[str, Any]) -> dict[str, Any]:
    """As chat templates know it."""
    described = {key: function[key] for key in ("name", "description", "parameters") if function.get(key) is not None}
    return {"type": "function", "function": {"description": "", "parameters": {"type": "object"}, **described}}


def _turns(messages: Iterable[Message]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for message in messages:
        # Chat templates do not know developers.
        role = "system" if message.role == "developer" else message.role
        turn: dict[str, Any] = {"role": role, "content": message.content}
        if message.reasoning:
            turn["reasoning_content"] = message.reasoning
        if message.tool_calls:
            turn["tool_calls"] = [_call(call) for call in message.tool_calls]
            names |= {call.id: call.name for call in message.tool_calls}
        if message.role == "tool":
            turn |= {"tool_call_id": message.tool_call_id, "name": names.get(message.tool_call_id or "", "")}
        turns.append(turn)
    return turns


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _arguments(call.arguments)}}


def _arguments(text: str) -> Any:
    """As an object, which templates write as JSON again; as text where the model wrote something else."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, dict) else text


def _effort(tooling: Tooling) -> dict[str, Any]:
    """What templates of reasoning models ask for; the others do not look at it."""
    effort = (tooling.reasoning or {}).get("effort")
    return {"reasoning_effort": effort, "enable_thinking": effort != "none"} if effort else {}
