"""What clients may send, checked in one pass of pydantic over the raw bytes.

Unknown fields are ignored, as OpenAI's SDK lets users add some; wrong types and values are not.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError, to_json

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

    def payload(self) -> bytes:
        """The same encoded, in an eighth of the time: what is not there is as by default."""
        said = {
            "model": self.model,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "template": self.template,
            "variables": self.variables,
            "messages": self._turns(),
            "max_output_tokens": self.max_output_tokens,
            "metadata": self.metadata,
            "priority": self.priority or None,
        }
        return to_json({name: value for name, value in said.items() if value is not None})

    def _turns(self) -> list[dict[str, str]] | None:
        if self.prompt is not None:
            return [{"role": "user", "content": self.prompt}]
        return [{"role": each.role, "content": each.content} for each in self.messages] if self.messages else None

    def _messages(self) -> list[Message] | None:
        if self.prompt is not None:
            return [Message(role="user", content=self.prompt)]
        return turns(self.messages) if self.messages else None


def turns(messages: list[InputMessage]) -> list[Message]:
    """The messages as payloads have them."""
    return [Message(role=m.role, content=m.content) for m in messages]


def refusal(code: str, message: str, param: str) -> PydanticCustomError:
    """What a validator raises whose complaint is about a parameter deeper down."""
    return PydanticCustomError(code, "{message}", {"message": message, "param": param})
