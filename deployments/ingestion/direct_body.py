"""What the bodies of Chat Completions and Completions have alike."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from deployments.ingestion.bodies import Body, Sampling, refusal
from deployments.ingestion.tiers import ServiceTier, priority_of

MOST_CHOICES = 8
MAX_STOPS = 16
_SEEDS = 2**63
_Stop = Annotated[str, Field(min_length=1, max_length=1024)]


def text_or_list(value: Any) -> str:
    """The tag of a union of the two."""
    return "<string>" if isinstance(value, str) else "<list>"


Stop = Annotated[
    Annotated[_Stop, Tag("<string>")] | Annotated[list[_Stop], Field(max_length=MAX_STOPS), Tag("<list>")],
    Discriminator(text_or_list),
]


def _absent(value: Any) -> Any:
    if value:
        raise PydanticCustomError("unsupported_parameter", "This parameter is not supported.")
    return None


Unsupported = Annotated[None, BeforeValidator(_absent, json_schema_input_type=None)]


class StreamOptions(Body):
    """What a stream shows beyond the text."""

    include_usage: bool | None = None


class DirectBody(Sampling):
    """Fields of both bodies. `priority` is ours, and wins over `service_tier`; higher goes first."""

    n: int | None = Field(default=None, ge=1, le=MOST_CHOICES)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    stop: Stop | None = None
    seed: int | None = Field(default=None, ge=-_SEEDS, lt=_SEEDS)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    max_tokens: int | None = Field(default=None, ge=1, lt=2**31)
    service_tier: ServiceTier | None = None
    priority: int | None = Field(default=None, ge=-100, le=100)
    logit_bias: Unsupported = None
    user: str | None = None

    @model_validator(mode="after")
    def _streamed(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise refusal("invalid_value", "'stream_options' belong to 'stream'.", "stream_options")
        return self

    @property
    def choices(self) -> int:
        """How many answers are wanted."""
        return self.n or 1

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def common(self) -> dict[str, Any]:
        """The fields of `Request` that both bodies fill alike."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop
        return {
            **self.sampling(),
            "stop": stop or [],
            "seed": self.seed,
            "presence_penalty": self.presence_penalty or 0.0,
            "frequency_penalty": self.frequency_penalty or 0.0,
            "priority": priority_of(self.service_tier) if self.priority is None else self.priority,
        }
