"""Function tools, the choice among them, and the format of the text, as clients may ask for them."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from jsonschema import Draft202012Validator, SchemaError
from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from deployments.ingestion.bodies import Body, refusal
from deployments.ingestion.search_tools import FileSearchTool, HostedTool

MAX_TOOLS = 128
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
Tool = dict[str, Any]


def _schema(value: dict[str, Any]) -> dict[str, Any]:
    try:
        Draft202012Validator.check_schema(value)
    except (SchemaError, RecursionError) as error:
        reason = error.message if isinstance(error, SchemaError) else "it is nested too deeply"
        raise PydanticCustomError("invalid_json_schema", "Invalid schema: {reason}", {"reason": reason[:200]}) from None
    return value


JsonSchema = Annotated[dict[str, Any], AfterValidator(_schema)]


class FunctionTool(Body):
    """A function that the model may call."""

    type: Literal["function"]
    name: Name
    description: str | None = None
    parameters: JsonSchema | None = None
    strict: bool | None = None


class NamedFunction(Body):
    """Call this one."""

    type: Literal["function"]
    name: Name


class AllowedTools(Body):
    """Choose among these only."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedFunction | HostedTool], Field(min_length=1, max_length=MAX_TOOLS)]


def _choice_kind(value: Any) -> str | None:
    if not isinstance(value, dict):
        return "<word>"
    kind = value.get("type")
    return f"<{kind}>" if kind in ("function", "allowed_tools", "file_search") else None


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("<word>")]
    | Annotated[NamedFunction, Tag("<function>")]
    | Annotated[AllowedTools, Tag("<allowed_tools>")]
    | Annotated[HostedTool, Tag("<file_search>")],
    Discriminator(
        _choice_kind,
        custom_error_type="invalid_value",
        custom_error_message="'tool_choice' is 'none', 'auto', 'required', a function, 'file_search', or "
        "'allowed_tools'.",
    ),
]


def _tool_kind(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else None
    return f"<{kind}>" if kind in ("function", "file_search") else None


AnyTool = Annotated[
    Annotated[FunctionTool, Tag("<function>")] | Annotated[FileSearchTool, Tag("<file_search>")],
    Discriminator(
        _tool_kind,
        custom_error_type="invalid_value",
        custom_error_message="Tools can be of type 'function' and 'file_search'.",
    ),
]
Tools = Annotated[list[AnyTool], Field(max_length=MAX_TOOLS)]


class PlainText(Body):
    """Text as it comes."""

    type: Literal["text"]


class JsonObject(Body):
    """Some JSON object."""

    type: Literal["json_object"]


class JsonSchemaFormat(Body):
    """JSON of this schema."""

    type: Literal["json_schema"]
    name: Name
    schema_: JsonSchema = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


def _format_kind(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else None
    return f"<{kind}>" if kind in ("text", "json_object", "json_schema") else None


TextFormat = Annotated[
    Annotated[PlainText, Tag("<text>")]
    | Annotated[JsonObject, Tag("<json_object>")]
    | Annotated[JsonSchemaFormat, Tag("<json_schema>")],
    Discriminator(
        _format_kind,
        custom_error_type="invalid_value",
        custom_error_message="The format's type is 'text', 'json_object' or 'json_schema'.",
    ),
]


class TextConfig(Body):
    """How the text is to be."""

    format: TextFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class Reasoning(Body):
    """How much the model is to think. What is not known here is repeated, no more."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None


def check_choice(tools: Sequence[FunctionTool | FileSearchTool], choice: Any) -> None:
    """Raise PydanticCustomError for a choice that the tools do not allow."""
    names = [_name(tool) for tool in tools]
    if len(set(names)) < len(names):
        raise _refusal("Two tools have the same name, or there are two file searches.", "tools")
    wanted = _wanted(choice)
    if (wanted or choice == "required") and not names:
        raise _refusal("'tool_choice' needs 'tools'.", "tool_choice")
    for name in wanted:
        if name not in names:
            raise _refusal(f"'tool_choice' names no tool: '{name}'.", "tool_choice")


def _refusal(message: str, param: str) -> PydanticCustomError:
    return refusal("invalid_value", message, param)


def _name(tool: FunctionTool | NamedFunction | FileSearchTool | HostedTool) -> str:
    """No function has the name of a tool that runs here, as a colon is in none."""
    return tool.name if isinstance(tool, (FunctionTool, NamedFunction)) else f"{tool.type}:"


def _wanted(choice: Any) -> list[str]:
    if isinstance(choice, (NamedFunction, HostedTool)):
        return [_name(choice)]
    return [_name(tool) for tool in choice.tools] if isinstance(choice, AllowedTools) else []
