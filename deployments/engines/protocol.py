"""What an engine is: token ids in, token ids out. The contract suite in `tests/contract` judges every engine."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from pipelines.jobs import Usage
from pipelines.operations import Piece
from pipelines.payloads import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One generation to run, or to continue after `logged_ids`."""

    request_id: str  # unique per claim
    prompt: Prompt  # its `max_tokens` are all, logged ones included
    attempt: int = 1
    logged_ids: list[int] = field(default_factory=list)
    traceparent: str = ""


class TokenLogprob(NamedTuple):
    """How likely a token was, and the likeliest ones in its place as (id, logprob), best first."""

    id: int
    logprob: float
    top: list[tuple[int, float]]


class Tokens(NamedTuple):
    """New token ids since the last one; `finish_reason` (stop or length) comes with the last.

    An engine without token ids of its own says `pieces` instead, and counts for itself: `usage` comes with the last.
    Its server may also have withheld what the model said: `content_filter`.
    """

    ids: list[int]
    finish_reason: str | None
    logprobs: list[TokenLogprob] | None = None  # one for each id, where they were asked for
    cached_tokens: int = 0  # of the prompt, found in a cache; comes with the first
    pieces: tuple[Piece, ...] = ()
    usage: Usage | None = None


class Engine(Protocol):
    """Runs generations side by side. Closing or cancelling the iterator frees the slot."""

    fingerprint: str  # weights, tokenizer, chat template, adapter; a continuation needs the same
    can_continue: bool
    context: int  # tokens, prompt and output together
    step_tokens: int  # of prompts, that it reads in one step; 0: any number. Known once it has started

    async def start(self) -> None:
        """Load what it needs; returns when it can generate."""

    def generate(self, generation: Generation) -> AsyncGenerator[Tokens, None]:
        """The tokens after `logged_ids`. Raises EngineDeadError when the engine is gone for good."""
        ...

    def decode(self, ids: list[int]) -> str:
        """The text of token ids, special ones left out."""

    def has_room(self) -> bool:
        """Whether another generation would run now rather than wait for memory."""

    async def close(self) -> None:
        """Free everything."""


class EngineDeadError(RuntimeError):
    """The engine's process is gone; only a new replica helps."""
