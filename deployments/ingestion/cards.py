"""What ingestion knows of the models that it offers, and of how prompting would render for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from deployments.knowledge.encoding import TextOrTokens
from deployments.prompting.past import Past
from pipelines.payloads import Message, Prompt, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """A model that can be asked for. `context` is in tokens, `created` in Unix seconds."""

    name: str
    context: int
    default_max_output_tokens: int
    created: int = 0
    scales_to_zero: bool = False


class TextIds(Protocol):
    """An encoder's tokenizer. Any thread may call it."""

    def ids(self, texts: Sequence[TextOrTokens]) -> list[list[int]]:
        """The token ids of each text. Slow where it is long. Raises RejectError for ids that are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderCard:
    """An embedding model that can be asked for. `dimensions` are those of its vectors, `created` is in Unix seconds."""

    name: str
    dimensions: int
    tokenizer: TextIds
    created: int = 0


class Renderer(Protocol):
    """What prompting can tell about a request before it is accepted. All raise RejectError."""

    def messages(self, request: Request) -> list[Message]:
        """The messages, rendered."""

    def prompt(self, request: Request) -> Prompt:
        """The prompt. Slow where the request is long."""

    def check_length(self, request: Request) -> None:
        """Whether the prompt fits into the model's context. Slow: it counts tokens."""

    def count(self, request: Request, past: Past) -> int:
        """How many tokens the prompt has, whether it fits or not. Slow."""
