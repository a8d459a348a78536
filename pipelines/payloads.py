"""The payloads behind the references: what was asked, what was rendered, what came out. JSON, never in an event."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipelines.jobs import Usage


class Payload(BaseModel):
    """Base of the three; unknown fields of a later version are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def encode(self) -> bytes:
        """The bytes that the claim check is for."""
        return self.model_dump_json(exclude_none=True).encode()


class Message(Payload):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant", "developer"]
    content: str


class Request(Payload):
    """What the client asked for. Exactly one of `template` and `messages` is there."""

    model: str
    template: str | None = None
    variables: dict[str, str] = Field(default_factory=dict)
    messages: list[Message] | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    metadata: dict[str, str] = Field(default_factory=dict)
    priority: int = 0
    echo: dict[str, Any] = Field(default_factory=dict)  # further fields that the Response object repeats


class Prompt(Payload):
    """What the engine gets. `token_ids` is None where the engine has no tokenizer of its own."""

    messages: list[Message]
    token_ids: list[int] | None = None
    input_tokens: int = 0  # of the whole prompt; where the engine has no tokenizer, words
    max_tokens: int  # output tokens, after the context's limit was applied
    temperature: float
    top_p: float
    priority: int = 0
    metadata: dict[str, str] = Field(default_factory=dict)


class Result(Payload):
    """What came out: the output items of the Response, and the figures."""

    output: list[dict[str, Any]]
    usage: Usage
    finish_reason: str
    engine_fingerprint: str
