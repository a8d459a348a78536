"""vLLM's own parsers of reasoning and calls, as readers; and what the tokens of a model folder mean.

- A parser is given one token at a time and forgets nothing, so that what it says is a function of the ids. The ids
  of calls, which it makes up, are not used.
- Parsers keep back what never became a call, and some raise: what they have not said at the end is taken from their
  reading of the whole text, or said as it is.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.parser.abstract_parser import Parser
from vllm.parser.parser_manager import ParserManager
from vllm.tokenizers import get_tokenizer

from deployments.engines.vllm.spelling import Spelling
from deployments.inference.calls import HermesReader
from deployments.inference.language import HERMES, THINK, begins_to_think, calls_reader, chain
from deployments.inference.readers import Reader
from deployments.inference.thoughts import ThinkReader
from deployments.tool_choice import tool_choice
from pipelines.operations import Kind, Piece
from pipelines.payloads import Prompt


class VllmLanguage:
    """Of a model folder. Raises ValueError for parsers that vLLM does not know."""

    def __init__(self, folder: Path, *, tool_parser: str = "", reasoning_parser: str = "") -> None:
        self._tokenizer: Any = get_tokenizer(str(folder))
        self._silent = _ends(self._tokenizer, folder)
        self._tool_parser = tool_parser
        self._reasoning_parser = reasoning_parser
        self.token_bytes = Spelling(self._tokenizer).token_bytes
        self._check()

    def decode(self, ids: list[int]) -> str:
        """The text of token ids, special ones left out."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    def decode_marked(self, ids: list[int]) -> str:
        """The same with the special ones, but for those that end an output."""
        said = [token for token in ids if token not in self._silent]
        return str(self._tokenizer.decode(said, skip_special_tokens=False))

    def reader(self, prompt: Prompt) -> Reader | None:
        """Ours where they are named, else vLLM's."""
        calls = calls_reader(prompt, HermesReader if self._tool_parser == HERMES else None)
        chosen = calls is None and bool(tool_choice(prompt).functions)
        tools = self._theirs(self._tool_parser) if chosen else ""
        thoughts = self._theirs(self._reasoning_parser) if prompt.grammar is None else ""
        reasoning: Reader | None = None
        if self._reasoning_parser == THINK:
            reasoning = ThinkReader(begun=begins_to_think(prompt, self.decode_marked))
        theirs = VllmReader(self._tokenizer, prompt, tools=tools, reasoning=thoughts) if tools or thoughts else None
        return chain(reasoning or theirs, calls or (theirs if reasoning else None))

    def _check(self) -> None:
        """At the start, not at the first call."""
        found = _parser_class(self._theirs(self._tool_parser), self._theirs(self._reasoning_parser))
        try:
            found(self._tokenizer)
        except RuntimeError as error:  # a mark is no token of this model
            raise ValueError(str(error)) from error

    @staticmethod
    def _theirs(name: str) -> str:
        return "" if name in (HERMES, THINK) else name


class VllmReader:
    """Reads one output with vLLM's parsers of these names."""

    def __init__(self, tokenizer: Any, prompt: Prompt, *, tools: str, reasoning: str) -> None:
        self._request = _request(prompt)
        effort = (prompt.reasoning or {}).get("effort")
        self._template = {"enable_thinking": effort != "none"} if effort else {}
        self._class = _parser_class(tools, reasoning)
        self._tokenizer = tokenizer
        self._prompt_ids = prompt.token_ids or []
        self._text: list[str] = []
        self._ids: list[int] = []
        self._failed = False
        self._said = dict.fromkeys(Kind, "")  # of calls: the arguments of the last one
        self._calls: list[int] = []  # as the parser numbers them
        self._nameless = ""  # arguments whose function is not known yet

    @cached_property
    def _parser(self) -> Any:
        return self._make()

    def _make(self) -> Any:
        return self._class(self._tokenizer, self._request.tools, chat_template_kwargs=self._template)

    def push(self, text: str, ids: Sequence[int]) -> list[Piece]:
        """What the parser makes of this text."""
        self._text.append(text)
        self._ids += ids
        if self._failed:
            return self._noted([Piece(text=text)])
        return self._read(text, list(ids), finished=False)

    def flush(self) -> list[Piece]:
        """What it makes of the end, and what it has withheld."""
        pieces = [] if self._failed else self._read("", [], finished=True)
        return pieces + self._noted(self._withheld())

    def _read(self, text: str, ids: list[int], *, finished: bool) -> list[Piece]:
        try:
            delta = self._parser.parse_delta(text, ids, self._request, self._prompt_ids, finished=finished)
            return self._noted(self._pieces(delta)) if delta else []
        except Exception:  # noqa: BLE001 - malformed text is no fault of the job's
            self._failed = True
            unsaid = self._unsaid(text)
            return self._noted([Piece(text=unsaid)] if unsaid else [])

    def _unsaid(self, last: str) -> str:
        """The text from where the parser fell silent, or else the last of it."""
        whole, said = "".join(self._text), self._said[Kind.MESSAGE]
        alone = not self._calls and not self._said[Kind.REASONING] and whole.startswith(said)
        return whole[len(said) :] if alone else last

    def _pieces(self, delta: Any) -> list[Piece]:
        pieces = [Piece(text=delta.reasoning, kind=Kind.REASONING)] if delta.reasoning else []
        if delta.content:
            pieces.append(Piece(text=delta.content))
        for call in delta.tool_calls or []:
            name = (call.function.name if call.function else None) or ""
            pieces += self._call(call.index, name, (call.function.arguments if call.function else None) or "")
        return pieces

    def _call(self, index: int, name: str, arguments: str) -> list[Piece]:
        if index in self._calls:
            late = index != self._calls[-1]  # an item that is closed stays as it is
            return [] if late or not arguments else [Piece(text=arguments, kind=Kind.FUNCTION_CALL)]
        if not name:
            self._nameless += arguments
            return []
        self._calls.append(index)
        text, self._nameless = self._nameless + arguments, ""
        return [Piece(text=text, kind=Kind.FUNCTION_CALL, name=name, opens=True)]

    def _noted(self, pieces: list[Piece]) -> list[Piece]:
        for piece in pieces:
            self._said[piece.kind] = piece.text if piece.opens else self._said[piece.kind] + piece.text
        return pieces

    def _withheld(self) -> list[Piece]:
        """What the parser says of the whole text and has not said of its parts."""
        if self._failed:
            return []
        text = "".join(self._text)
        try:
            reasoning, content, calls = self._make().parse(
                text, self._request, enable_auto_tools=True, model_output_token_ids=self._ids
            )
        except Exception:  # noqa: BLE001 - see above
            reasoning, content, calls = None, text, None
        if self._calls:
            arguments = calls[-1].arguments if calls and len(calls) == len(self._calls) else ""
            return self._rest(arguments, Kind.FUNCTION_CALL)
        if calls:
            return [Piece(text=call.arguments, kind=Kind.FUNCTION_CALL, name=call.name, opens=True) for call in calls]
        thought = self._rest(reasoning or "", Kind.REASONING) if not self._said[Kind.MESSAGE] else []
        return thought + self._rest(content or "", Kind.MESSAGE)

    def _rest(self, whole: str, kind: Kind) -> list[Piece]:
        said = self._said[kind]
        rest = whole[len(said) :] if whole.startswith(said) else ""
        return [Piece(text=rest, kind=kind)] if rest else []


def _parser_class(tools: str, reasoning: str) -> Any:
    try:
        found = ParserManager.get_parser(tools or None, reasoning or None, enable_auto_tools=True)
    except TypeError as error:
        raise ValueError(f"vLLM has no parser of the name {tools or reasoning!r}: {error}") from error
    return found or Parser


def _request(prompt: Prompt) -> ChatCompletionRequest:
    """As vLLM's parsers want to see it."""
    functions = tool_choice(prompt).functions
    tools = [
        {"type": "function", "function": {key: function.get(key) for key in ("name", "description", "parameters")}}
        for function in functions
    ]
    return ChatCompletionRequest(
        messages=[{"role": "user", "content": ""}],
        model="",
        tools=tools or None,
        tool_choice="auto" if tools else "none",
        parallel_tool_calls=prompt.parallel_tool_calls,
    )


def _ends(tokenizer: Any, folder: Path) -> frozenset[int]:
    """The tokens that end an output."""
    file = folder / "generation_config.json"
    wanted = json.loads(file.read_text()).get("eos_token_id") if file.is_file() else None
    ends = wanted if isinstance(wanted, list) else [wanted]
    return frozenset(token for token in [*ends, tokenizer.eos_token_id, tokenizer.pad_token_id] if token is not None)
