"""The bodies of `POST /v1/responses` and `POST /v1/responses/input_tokens`, and the request that they become.

Fields that change nothing here are taken and repeated in the Response; unknown ones are ignored.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from deployments.ingestion.bodies import DEFAULT_DEADLINE_S, Body, Metadata, refusal
from deployments.ingestion.input_items import Input, TextPart
from deployments.ingestion.search_tools import FileSearchTool
from deployments.ingestion.tiers import ServiceTier, priority_of, used_tier
from deployments.ingestion.tools import FunctionTool, Reasoning, TextConfig, ToolChoice, Tools, check_choice
from pipelines.payloads import Request

Include: TypeAlias = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]
_NEVER_OFFERED = frozenset(  # by a template
    {"background", "background_options", "conversation", "input", "previous_response_id", "prompt", "store", "stream"}
)
_INERT = ("max_tool_calls", "prompt_cache_key", "safety_identifier", "user")
_WINDOWS = {"2h": 2 * 3600.0, "8h": 8 * 3600.0}
_WINDOW_PRIORITY = -20


class ConversationId(Body):
    """A conversation by its id."""

    id: str


def _conversation(value: Any) -> Any:
    return {"id": value} if isinstance(value, str) else value


class PromptUse(Body):
    """A prompt template, with what its variables stand for."""

    id: str
    version: str | None = None
    variables: dict[str, str | TextPart] | None = None

    def echo(self) -> dict[str, Any]:
        """As the Response repeats it."""
        return self.model_dump()


class BackgroundOptions(Body):
    """When a background response must be there."""

    completion_window: Literal["soonest", "2h", "8h"] | None = None
    continuation_id: str | None = None


class Turn(Body):
    """What both bodies say of the prompt."""

    model: str | None = None
    input: Input | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation: Annotated[ConversationId, BeforeValidator(_conversation)] | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    text: TextConfig | None = None
    truncation: Literal["auto", "disabled"] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.previous_response_id is not None and self.conversation is not None:
            message = "Give either 'previous_response_id' or 'conversation', not both."
            raise refusal("invalid_value", message, "previous_response_id")
        check_choice(self.tools or [], self.tool_choice)
        return self

    def turn(self) -> dict[str, Any]:
        """The fields of `Request` that both bodies share, without `input`."""
        return {
            "instructions": self.instructions,
            "previous_response_id": self.previous_response_id,
            "conversation": self.conversation.id if self.conversation else None,
            "tools": [_told(tool) for tool in self.tools or []],
            "tool_choice": self._choice(),
            "parallel_tool_calls": self.parallel_tool_calls is not False,
            "reasoning": self._reasoning(),
            "format": self._format(),
            "truncation": self.truncation or "disabled",
        }

    def _choice(self) -> Any:
        choice = self.tool_choice
        return choice.model_dump() if isinstance(choice, Body) else choice or "auto"

    def _format(self) -> dict[str, Any] | None:
        asked = self.text.format if self.text else None
        return asked.model_dump(by_alias=True, exclude_none=True) if asked else None

    def _reasoning(self) -> dict[str, Any] | None:
        if self.reasoning is None:
            return None
        return {"effort": self.reasoning.effort, "summary": self.reasoning.summary or self.reasoning.generate_summary}


def _told(tool: FunctionTool | FileSearchTool) -> dict[str, Any]:
    """As the Response repeats it: of a function all fields, of a search what was said."""
    return tool.model_dump(exclude_none=isinstance(tool, FileSearchTool))


class ResponsesBody(Turn):
    """`POST /v1/responses`."""

    background: bool | None = None
    background_options: BackgroundOptions | None = None
    include: list[Include] | None = None
    max_output_tokens: int | None = Field(default=None, ge=16, lt=2**31)
    max_tool_calls: int | None = Field(default=None, ge=1, lt=2**31)
    metadata: Metadata | None = None
    prompt: PromptUse | None = None
    prompt_cache_key: str | None = None
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    safety_identifier: str | None = Field(default=None, max_length=128)
    service_tier: ServiceTier | None = None
    store: bool | None = None
    stream: bool | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    top_p: float | None = Field(default=None, ge=0, le=1)
    user: str | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.background and self.store is False:
            raise refusal("invalid_value", "A background response must be stored.", "store")
        if self.window is not None and (
            not self.background or self.stream or used_tier(self.service_tier) != "default"
        ):
            message = "A completion window needs 'background', the default service tier, and no 'stream'."
            raise refusal("invalid_value", message, "background_options.completion_window")
        return self

    @property
    def window(self) -> float | None:
        """In how many seconds it must be there; None for no such wish."""
        asked = self.background_options.completion_window if self.background_options else None
        return _WINDOWS.get(asked or "soonest")

    @property
    def deadline_s(self) -> float:
        """How long the job may take."""
        return self.window or DEFAULT_DEADLINE_S

    @property
    def priority(self) -> int:
        """The job's, higher goes first."""
        return _WINDOW_PRIORITY if self.window else priority_of(self.service_tier)

    @property
    def variables(self) -> dict[str, Any]:
        """What the variables of the template stand for."""
        given = self.prompt.variables if self.prompt else None
        return {name: value if isinstance(value, str) else value.model_dump() for name, value in (given or {}).items()}

    def over(self, template: Mapping[str, Any]) -> Self:
        """This body where it says something, and the template's model, tools and parameters elsewhere."""
        offered = {name: value for name, value in template["params"].items() if name not in _NEVER_OFFERED}
        offered |= {name: template[name] for name in ("model", "tools") if template[name]}
        used = {"id": template["id"], "version": template["version"], "variables": self.variables}
        said = self.model_dump(exclude_unset=True, exclude_none=True, by_alias=True)
        return self.model_validate({**offered, **said, "prompt": used})

    def request(self, **resolved: Any) -> Request:
        """What the job's payload says; `resolved` are the fields that stored things decide."""
        fields = {
            **self.turn(),
            "model": self.model or "",
            "max_output_tokens": self.max_output_tokens,
            "temperature": 1.0 if self.temperature is None else self.temperature,
            "top_p": 1.0 if self.top_p is None else self.top_p,
            "presence_penalty": self.presence_penalty or 0.0,
            "frequency_penalty": self.frequency_penalty or 0.0,
            "top_logprobs": self._logprobs(),
            "metadata": self.metadata or {},
            "priority": self.priority,
            "background": bool(self.background),
            "stored": self.store is not False,
            "prompt": self.prompt.echo() if self.prompt else None,
            "show_results": "file_search_call.results" in (self.include or ()),
            "echo": self._echo(),
        }
        return Request(**fields | resolved)

    def _logprobs(self) -> int | None:
        if self.top_logprobs is None and "message.output_text.logprobs" in (self.include or ()):
            return 0
        return self.top_logprobs

    def _echo(self) -> dict[str, Any]:
        """What the Response repeats and nothing else reads."""
        inert = {
            name: getattr(self, name) for name in ("max_tool_calls", "prompt_cache_key", "safety_identifier", "user")
        }
        echo = {name: value for name, value in inert.items() if value is not None}
        if self.text is not None and self.text.verbosity is not None:
            echo["text"] = {"format": self._format() or {"type": "text"}, "verbosity": self.text.verbosity}
        return {**echo, "service_tier": used_tier(self.service_tier)}


class CountBody(Turn):
    """`POST /v1/responses/input_tokens`."""

    def request(self, **resolved: Any) -> Request:
        """The request whose prompt is counted."""
        return Request(**self.turn() | {"model": self.model or ""} | resolved)
