"""The engine `scripted`: a test instrument whose text is a pure function of the prompt. Never presented as a model.

- A shorter output is a prefix of a longer one, so a continuation is exact from any cut.
- `metadata["scripted"]`, a JSON string, sets length or text, pace and faults; no other engine reads it.
- A token is a word of its own vocabulary, or a character of the text that the script dictates.
"""

import asyncio
import hashlib
import math
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deployments.engines.protocol import Generation, TokenLogprob, Tokens
from pipelines.errors import RejectError

_TEXT = (
    "amber arc aurora beacon beam blaze bolt bright candle cast chart clear cloud coast comet copper "
    "dawn day drift dusk east echo ember field flare flash fog gleam glint glow gold gulf "
    "halo harbour haze hill horizon iris island lamp lantern lens light mast mirror mist moon morning "
    "north ocean orbit pearl prism pulse ray reef ridge river sail shade signal silver sky south"
)
_WORDS = _TEXT.split()
_VOCABULARY = [*(word.capitalize() for word in _WORDS), *(f" {word}" for word in _WORDS)]


class ScriptedError(RuntimeError):
    """The fault that a script asked for."""


class Script(BaseModel):
    """What one job asks of the engine."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    tokens: int | None = Field(default=None, ge=0)
    text: str | None = None  # to be said as it is, a token for each character
    delay_ms: float = Field(default=0, ge=0)  # before each token
    step: int | None = Field(default=None, ge=1)  # tokens at once; None: see `generate`
    fail: Literal["raise", "exit", "hang"] | None = None
    at: int = Field(default=0, ge=0)  # before the token with this index
    attempts: int | None = Field(default=None, ge=0)  # fail only in so many first attempts; None: in all

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.text is not None and self.tokens is not None:
            raise ValueError("text and tokens exclude each other")
        return self


_DEFAULT = Script()


def parse_script(metadata: dict[str, str]) -> Script:
    """The job's script. Raises RejectError where it is malformed."""
    text = metadata.get("scripted")
    if text is None:
        return _DEFAULT
    try:
        return Script.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise RejectError(
            f"metadata.scripted is malformed: {where} {fault['msg']}".replace("  ", " "),
            code="invalid_value",
            param="metadata.scripted",
        ) from error


class ScriptedEngine:
    """Runs scripts; has no tokenizer of its own, so it works on the prompt's text."""

    fingerprint = "scripted-1"
    can_continue = True
    step_tokens = 0

    def __init__(
        self,
        *,
        context: int = 1_000_000,
        default_tokens: int = 16,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        exit_process: Callable[[int], object] = os._exit,
    ) -> None:
        self.context = context
        self._default_tokens = default_tokens
        self._sleep = sleep
        self._exit_process = exit_process

    async def start(self) -> None:
        """Nothing to load."""

    async def generate(self, generation: Generation) -> AsyncGenerator[Tokens, None]:
        """So many at once as a step says; else the first alone, then the rest, or one by one where there is a delay."""
        prompt = generation.prompt
        script = parse_script(prompt.metadata)
        total, reason = self._length(script, prompt.max_tokens)
        ids = token_ids(prompt.text, total) if script.text is None else _character_ids(script.text)
        fault = _fault_position(script, generation.attempt)
        position, end = len(generation.logged_ids), -1
        while end < total:
            if position == fault:
                await self._fail(script)
            if script.delay_ms or script.step:
                await self._sleep(script.delay_ms / 1000)  # also a sleep of nothing lets the others have their turn
            alone = position == 0 or script.delay_ms > 0
            end = min(position + (script.step or (1 if alone else total)), total)
            if fault is not None and position < fault < end:
                end = fault
            said = ids[position:end]
            yield Tokens(said, reason if end == total else None, _logprobs(said, prompt.top_logprobs))
            position = end

    def decode(self, ids: list[int]) -> str:
        """The text of token ids."""
        words, known = _VOCABULARY, len(_VOCABULARY)
        return "".join([words[i] if i < known else chr(i - known) for i in ids])

    def has_room(self) -> bool:
        """Always: it needs no memory."""
        return True

    async def close(self) -> None:
        """Nothing to free."""

    def _length(self, script: Script, max_tokens: int) -> tuple[int, str]:
        words = self._default_tokens if script.tokens is None else script.tokens
        wanted = words if script.text is None else len(script.text)
        return (wanted, "stop") if wanted <= max_tokens else (max_tokens, "length")

    async def _fail(self, script: Script) -> None:
        match script.fail:
            case "exit":
                self._exit_process(1)
            case "hang":
                await asyncio.Event().wait()
        raise ScriptedError("the script asked for this failure")


def token_ids(prompt: str, count: int) -> list[int]:
    """The first `count` tokens that follow a prompt."""
    # An extendable hash: more bytes never change the earlier ones.
    drawn = hashlib.shake_128(prompt.encode()).digest(count)
    known = len(_WORDS)
    return [byte % known + (known if index else 0) for index, byte in enumerate(drawn)]


def _character_ids(text: str) -> list[int]:
    return [len(_VOCABULARY) + ord(character) for character in text]


def _logprobs(ids: list[int], count: int | None) -> list[TokenLogprob] | None:
    """The token itself as the likeliest, then other words, each half as likely as the one before."""
    return None if count is None else [_logprob(token, count) for token in ids]


def _logprob(token: int, count: int) -> TokenLogprob:
    first = 1 + token % 4  # so that not all are alike
    others = [(token + step) % len(_VOCABULARY) for step in range(1, count)]
    top = [(other, -math.log(2) * (first + step)) for step, other in enumerate([token, *others][:count])]
    return TokenLogprob(token, -math.log(2) * first, top)


def _fault_position(script: Script, attempt: int) -> int | None:
    if script.fail is None or (script.attempts is not None and attempt > script.attempts):
        return None
    return script.at
