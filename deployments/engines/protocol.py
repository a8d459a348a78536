"""What an engine is: token ids in, token ids out. The contract suite in `tests/contract` judges every engine."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One generation to run, or to continue after `logged_ids`."""

    request_id: str  # unique per claim
    prompt_ids: list[int]  # empty where the engine has no tokenizer of its own
    prompt_text: str  # for such an engine
    max_tokens: int  # in all, logged ones included
    temperature: float
    top_p: float
    priority: int = 0  # higher goes first
    attempt: int = 1
    logged_ids: list[int] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    traceparent: str = ""


class Tokens(NamedTuple):
    """New token ids since the last one; `finish_reason` (stop or length) comes with the last."""

    ids: list[int]
    finish_reason: str | None


class Engine(Protocol):
    """Runs generations side by side. Closing or cancelling the iterator frees the slot."""

    fingerprint: str  # weights, tokenizer, chat template, adapter; a continuation needs the same
    can_continue: bool
    context: int  # tokens, prompt and output together

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
