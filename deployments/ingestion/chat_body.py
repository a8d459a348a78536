"""The body of `POST /v1/chat/completions`, and the request that it becomes.

Fields that change nothing here are taken without a word: `store` (nothing is stored), `prediction`, `verbosity` and the
like. Those that ask for what no model here can do are refused.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from deployments.ingestion.bodies import Body, refusal
from deployments.ingestion.chat_tools import ChatTool, ChatToolChoice, ResponseFormat, flat_format
from deployments.ingestion.direct_body import DirectBody, Unsupported, text_or_list
from deployments.ingestion.tools import MAX_TOOLS, check_choice
from pipelines.payloads import Message, Request, ToolCall


class ChatText(Body):
    """A part of a message."""

    type: Literal["text"]
    text: str


class ChatRefusal(Body):
    """The model's refusal, as a part of its message."""

    type: Literal["refusal"]
    refusal: str


def _part_kind(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else None
    return f"<{kind}>" if kind in ("text", "refusal") else None


ChatPart = Annotated[
    Annotated[ChatText, Tag("<text>")] | Annotated[ChatRefusal, Tag("<refusal>")],
    Discriminator(
        _part_kind,
        custom_error_type="invalid_value",
        custom_error_message="Content can only be text: parts of type 'text' and 'refusal'.",
    ),
]
ChatContent = Annotated[
    Annotated[str, Tag("<string>")] | Annotated[list[ChatPart], Field(min_length=1), Tag("<list>")],
    Discriminator(text_or_list),
]


class SpokenTurn(Body):
    """What the user or whoever sets the rules says."""

    role: Literal["system", "developer", "user"]
    content: ChatContent
    name: str | None = None

    def message(self) -> Message:
        """As payloads have it."""
        return Message(role=self.role, content=_text(self.content))


class CalledFunction(Body):
    """A function and what it was called with, as JSON."""

    name: str
    arguments: str


class ChatCall(Body):
    """A call that the model made."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class AssistantTurn(Body):
    """What the model said or called."""

    role: Literal["assistant"]
    content: ChatContent | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: Annotated[list[ChatCall], Field(max_length=MAX_TOOLS)] | None = None
    name: str | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.content is None and self.refusal is None and not self.tool_calls:
            raise PydanticCustomError("invalid_value", "An assistant's message needs 'content' or 'tool_calls'.")
        return self

    def message(self) -> Message:
        """As payloads have it."""
        calls = [
            ToolCall(id=call.id, name=call.function.name, arguments=call.function.arguments)
            for call in self.tool_calls or []
        ]
        content = _text(self.content) if self.content is not None else self.refusal or ""
        return Message(role="assistant", content=content, tool_calls=calls or None, reasoning=self.reasoning_content)


class ToolTurn(Body):
    """What a tool answered to a call."""

    role: Literal["tool"]
    content: ChatContent
    tool_call_id: str

    def message(self) -> Message:
        """As payloads have it."""
        return Message(role="tool", content=_text(self.content), tool_call_id=self.tool_call_id)


def _role(value: Any) -> str | None:
    role = value.get("role") if isinstance(value, dict) else None
    if role in ("system", "developer", "user"):
        return "<spoken>"
    return f"<{role}>" if role in ("assistant", "tool") else None


ChatTurn = Annotated[
    Annotated[SpokenTurn, Tag("<spoken>")]
    | Annotated[AssistantTurn, Tag("<assistant>")]
    | Annotated[ToolTurn, Tag("<tool>")],
    Discriminator(
        _role,
        custom_error_type="invalid_value",
        custom_error_message="A message's role is 'system', 'developer', 'user', 'assistant' or 'tool'.",
    ),
]


class ChatBody(DirectBody):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[ChatTurn], Field(min_length=1)]
    max_completion_tokens: int | None = Field(default=None, ge=1, lt=2**31)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    response_format: ResponseFormat | None = None
    tools: Annotated[list[ChatTool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: ChatToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    store: bool | None = None
    modalities: list[Literal["text"]] | None = None
    audio: Unsupported = None
    functions: Unsupported = None
    function_call: Unsupported = None
    web_search_options: Unsupported = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.top_logprobs is not None and not self.logprobs:
            raise refusal("invalid_value", "'top_logprobs' needs 'logprobs'.", "top_logprobs")
        check_choice([tool.flat() for tool in self.tools or []], self._choice())
        self._check_answers()
        return self

    def request(self, **more: Any) -> Request:
        """What is rendered; `more` are further fields, which win."""
        fields = dict(
            **self.common(),
            messages=[turn.message() for turn in self.messages],
            max_output_tokens=self.max_completion_tokens or self.max_tokens,
            top_logprobs=(self.top_logprobs or 0) if self.logprobs else None,
            format=flat_format(self.response_format),
            tools=[tool.flat().model_dump() for tool in self.tools or []],
            tool_choice=self._flat_choice(),
            parallel_tool_calls=self.parallel_tool_calls is not False,
            reasoning={"effort": self.reasoning_effort, "summary": None} if self.reasoning_effort else None,
        )
        return Request(**fields | more)

    def _choice(self) -> Any:
        return self.tool_choice.flat() if isinstance(self.tool_choice, Body) else self.tool_choice

    def _flat_choice(self) -> Any:
        choice = self._choice()
        return choice.model_dump() if isinstance(choice, Body) else choice or "auto"

    def _check_answers(self) -> None:
        """A tool answers a call that was made before it."""
        made: set[str] = set()
        for index, turn in enumerate(self.messages):
            if isinstance(turn, AssistantTurn):
                made.update(call.id for call in turn.tool_calls or [])
            elif isinstance(turn, ToolTurn) and turn.tool_call_id not in made:
                message = f"No message before it makes the call '{turn.tool_call_id}'."
                raise refusal("invalid_value", message, f"messages[{index}].tool_call_id")


def _text(content: str | list[ChatText | ChatRefusal]) -> str:
    if isinstance(content, str):
        return content
    return "".join([part.text if isinstance(part, ChatText) else part.refusal for part in content])
