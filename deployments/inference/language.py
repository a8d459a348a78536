"""How a model speaks: what its tokens mean, and how it writes down its reasoning and its calls."""

from collections.abc import Callable
from typing import Protocol

from deployments.engines.protocol import Engine
from deployments.inference.calls import ForcedCall, ForcedCalls, HermesReader
from deployments.inference.interpreter import Interpreter
from deployments.inference.likelihoods import Speller
from deployments.inference.readers import Chain, Reader
from deployments.inference.thoughts import ThinkReader
from deployments.tool_choice import tool_choice
from pipelines.payloads import Prompt

HERMES, THINK = "hermes", "think"


class Language(Protocol):
    """One model's."""

    def decode(self, ids: list[int]) -> str:
        """The text of token ids, special ones left out."""

    def decode_marked(self, ids: list[int]) -> str:
        """The same with the special ones that may be marks of reasoning and calls."""

    def token_bytes(self, token: int) -> bytes:
        """What a token adds to the text; perhaps a part of a character."""

    def reader(self, prompt: Prompt) -> Reader | None:
        """What reads an output of this prompt; None where it is nothing but a message."""


class EngineLanguage:
    """Of an engine of which no more is known than `decode`. Raises ValueError for parsers that are not built in."""

    def __init__(self, engine: Engine, *, tool_parser: str = "", reasoning_parser: str = "") -> None:
        self.decode = engine.decode
        self.decode_marked = engine.decode
        self._tools = built_in_calls(tool_parser)
        self._thinks = thinks(reasoning_parser)

    def token_bytes(self, token: int) -> bytes:
        """Of its text."""
        return self.decode([token]).encode()

    def reader(self, prompt: Prompt) -> Reader | None:
        """As the profile names the parsers."""
        reasoning = ThinkReader(begun=begins_to_think(prompt, self.decode)) if self._thinks else None
        return chain(reasoning, calls_reader(prompt, self._tools))


class Interpreters:
    """Makes the interpreter of each output."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._speller = Speller(language.token_bytes)

    def make(self, prompt: Prompt) -> Interpreter:
        """For an output of this prompt."""
        if prompt.plain:
            return Interpreter(decode=self._language.decode, spell=self._speller.spell, stop=prompt.stop)
        reader = self._language.reader(prompt)
        decode = self._language.decode if reader is None else self._language.decode_marked
        most = None if prompt.parallel_tool_calls else 1
        return Interpreter(decode=decode, spell=self._speller.spell, stop=prompt.stop, reader=reader, most_calls=most)


def calls_reader(prompt: Prompt, auto: Callable[[], Reader] | None) -> Reader | None:
    """What reads the calls of an output; `auto` where the model may choose."""
    choice = tool_choice(prompt)
    if choice.must:
        return ForcedCall(choice.name) if choice.name else ForcedCalls()
    return auto() if auto and choice.functions else None


def chain(reasoning: Reader | None, calls: Reader | None) -> Reader | None:
    """Both readers as one."""
    return Chain(reasoning, calls) if reasoning and calls else reasoning or calls


def begins_to_think(prompt: Prompt, decode: Callable[[list[int]], str]) -> bool:
    """Whether a prompt's end has begun the reasoning. A grammar allows none, so that then nobody waits for its end."""
    return prompt.grammar is None and decode((prompt.token_ids or [])[-8:]).rstrip().endswith("<think>")


def built_in_calls(name: str) -> Callable[[], Reader] | None:
    """The reader of calls with this name, None for none."""
    if name not in ("", HERMES):
        raise ValueError(f"the engine has no tool parser {name!r}; there is: {HERMES}")
    return HermesReader if name else None


def thinks(name: str) -> bool:
    """Whether the reader of reasoning is the one that is built in."""
    if name not in ("", THINK):
        raise ValueError(f"the engine has no reasoning parser {name!r}; there is: {THINK}")
    return bool(name)
