"""What clients may send, checked in one pass of pydantic over the raw bytes.

Unknown fields are ignored, as OpenAI's SDK lets users add some; wrong types and values are not.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from pipelines.payloads import Message, Request

MAX_DEADLINE_S = 30 * 86400.0
DEFAULT_DEADLINE_S = 86400.0
_TEXT_PARTS = ("input_text", "output_text", "text")


def _text(content: Any) -> Any:
    """Text, or a list of text parts, as one text."""
    if not isinstance(content, list):
        return content
    for part in content:
        if not isinstance(part, dict) or not isinstance(part.get("text"), str) or part.get("type") not in _TEXT_PARTS:
            raise PydanticCustomError("invalid_value", "Content can only be text or parts of type 'input_text'.")
    return "".join(part["text"] for part in content)


def _items(value: Any) -> Any:
    """A lone text is what the user said."""
    if value == "":
        raise PydanticCustomError("invalid_value", "The input is empty.")
    return [{"role": "user", "content": value}] if isinstance(value, str) else value


class Body(BaseModel):
    """Base: types are taken as they are, never converted."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, frozen=True, protected_namespaces=())


class InputMessage(Body):
    """One turn. Other kinds of items are refused by their `type`."""

    type: Literal["message"] = "message"
    role: Literal["system", "user", "assistant", "developer"]
    content: Annotated[str, BeforeValidator(_text)]


Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]


class Sampling(Body):
    """What every generation has."""

    model: str
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    metadata: Metadata | None = None

    def sampling(self) -> dict[str, Any]:
        """The fields of `Request` that both bodies share."""
        return {
            "model": self.model,
            "temperature": 1.0 if self.temperature is None else self.temperature,
            "top_p": 1.0 if self.top_p is None else self.top_p,
            "metadata": self.metadata or {},
        }


class GenerateBody(Sampling):
    """`POST /async-generate`: exactly one of `template`, `messages` and `prompt`."""

    template: str | None = Field(default=None, min_length=1)
    variables: dict[str, str] | None = None
    messages: list[InputMessage] | None = Field(default=None, min_length=1)
    prompt: str | None = Field(default=None, min_length=1)
    max_output_tokens: int | None = Field(default=None, ge=1, lt=2**31)
    deadline_s: float = Field(default=DEFAULT_DEADLINE_S, gt=0, le=MAX_DEADLINE_S)
    priority: int = Field(default=0, ge=-100, le=100)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = [name for name in ("template", "messages", "prompt") if getattr(self, name) is not None]
        if not sources:
            raise PydanticCustomError("missing_required_parameter", "Give one of 'template', 'messages' and 'prompt'.")
        if len(sources) > 1:
            raise PydanticCustomError("invalid_value", "Give only one of 'template', 'messages' and 'prompt'.")
        if self.variables is not None and self.template is None:
            raise PydanticCustomError("invalid_value", "'variables' belong to a 'template'.")
        return self

    def request(self) -> Request:
        """What the job's payload says."""
        return Request(
            **self.sampling(),
            template=self.template,
            variables=self.variables or {},
            messages=self._messages(),
            max_output_tokens=self.max_output_tokens,
            priority=self.priority,
        )

    def _messages(self) -> list[Message] | None:
        if self.prompt is not None:
            return [Message(role="user", content=self.prompt)]
        return turns(self.messages) if self.messages else None


class ResponsesBody(Sampling):
    """`POST /v1/responses`. Fields that we cannot serve yet are refused by name; inert ones are repeated."""

    input: Annotated[list[InputMessage], Field(min_length=1), BeforeValidator(_items)]
    instructions: str | None = None
    max_output_tokens: int | None = Field(default=None, ge=16, lt=2**31)
    background: bool | None = None
    stream: bool | None = None
    store: bool | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    text: dict[str, Any] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    max_tool_calls: int | None = Field(default=None, ge=1, lt=2**31)
    parallel_tool_calls: bool | None = None
    reasoning: dict[str, Any] | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"] | None = None
    include: list[str] | None = None
    safety_identifier: str | None = Field(default=None, max_length=128)
    prompt_cache_key: str | None = None
    user: str | None = None

    def unsupported(self) -> str | None:
        """The first parameter that asks for what we cannot do yet."""
        wanted = {
            "background": not self.background,
            "stream": self.stream,
            "store": self.store is False,
            "tools": self.tools,
            "tool_choice": self.tool_choice not in (None, "auto", "none"),
            "text": self.text is not None and self.text.get("format", {"type": "text"}) != {"type": "text"},
            "truncation": self.truncation == "auto",
            "previous_response_id": self.previous_response_id,
            "conversation": self.conversation,
            "prompt": self.prompt,
            "top_logprobs": self.top_logprobs,
        }
        return next((name for name, asked in wanted.items() if asked), None)

    def request(self) -> Request:
        """What the job's payload says."""
        return Request(
            **self.sampling(),
            messages=turns(self.input),
            instructions=self.instructions,
            max_output_tokens=self.max_output_tokens,
            echo=self._echo(),
        )

    def _echo(self) -> dict[str, Any]:
        inert = (
            "max_tool_calls",
            "parallel_tool_calls",
            "prompt_cache_key",
            "reasoning",
            "safety_identifier",
            "tool_choice",
            "user",
        )
        return {name: value for name in inert if (value := getattr(self, name)) is not None}


def turns(messages: list[InputMessage]) -> list[Message]:
    """The messages as payloads have them."""
    return [Message(role=m.role, content=m.content) for m in messages]


def refusal(code: str, message: str, param: str) -> PydanticCustomError:
    """What a validator raises whose complaint is about a parameter deeper down."""
    return PydanticCustomError(code, "{message}", {"message": message, "param": param})
