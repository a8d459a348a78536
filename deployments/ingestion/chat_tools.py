"""Tools, tool choice and format as Chat Completions write them, and the Responses API's form of each."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from deployments.ingestion.bodies import Body
from deployments.ingestion.tools import (
    MAX_TOOLS,
    AllowedTools,
    FunctionTool,
    JsonObject,
    JsonSchema,
    Name,
    NamedFunction,
    PlainText,
)


class Function(Body):
    """What can be called."""

    name: Name
    description: str | None = None
    parameters: JsonSchema | None = None
    strict: bool | None = None


class ChatTool(Body):
    """A function that the model may call."""

    type: Literal["function"]
    function: Function

    def flat(self) -> FunctionTool:
        """As the Responses API has it."""
        return FunctionTool.model_construct(type="function", **dict(self.function))  # checked already


class FunctionName(Body):
    """A function by its name."""

    name: Name


class ChosenFunction(Body):
    """Call this one."""

    type: Literal["function"]
    function: FunctionName

    def flat(self) -> NamedFunction:
        """As the Responses API has it."""
        return NamedFunction(type="function", name=self.function.name)


class AllowedFunctions(Body):
    """These, and whether one of them must be called."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[ChosenFunction], Field(min_length=1, max_length=MAX_TOOLS)]


class AllowedChoice(Body):
    """Choose among these only."""

    type: Literal["allowed_tools"]
    allowed_tools: AllowedFunctions

    def flat(self) -> AllowedTools:
        """As the Responses API has it."""
        allowed = self.allowed_tools
        return AllowedTools(type="allowed_tools", mode=allowed.mode, tools=[tool.flat() for tool in allowed.tools])


def _choice_kind(value: Any) -> str | None:
    if not isinstance(value, dict):
        return "<word>"
    kind = value.get("type")
    return f"<{kind}>" if kind in ("function", "allowed_tools") else None


ChatToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("<word>")]
    | Annotated[ChosenFunction, Tag("<function>")]
    | Annotated[AllowedChoice, Tag("<allowed_tools>")],
    Discriminator(
        _choice_kind,
        custom_error_type="invalid_value",
        custom_error_message="'tool_choice' is 'none', 'auto', 'required', a function, or 'allowed_tools'.",
    ),
]


class SchemaFormat(Body):
    """A JSON schema with its name."""

    name: Name
    schema_: JsonSchema = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class ChatSchemaFormat(Body):
    """JSON of this schema."""

    type: Literal["json_schema"]
    json_schema: SchemaFormat


def _format_kind(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else None
    return f"<{kind}>" if kind in ("text", "json_object", "json_schema") else None


ResponseFormat = Annotated[
    Annotated[PlainText, Tag("<text>")]
    | Annotated[JsonObject, Tag("<json_object>")]
    | Annotated[ChatSchemaFormat, Tag("<json_schema>")],
    Discriminator(
        _format_kind,
        custom_error_type="invalid_value",
        custom_error_message="The format's type is 'text', 'json_object' or 'json_schema'.",
    ),
]


def flat_format(asked: PlainText | JsonObject | ChatSchemaFormat | None) -> dict[str, Any] | None:
    """As the Responses API has it."""
    if isinstance(asked, ChatSchemaFormat):
        return {"type": asked.type, **asked.json_schema.model_dump(by_alias=True, exclude_none=True)}
    return asked.model_dump() if asked else None
