"""Which functions a model may call, and whether it must: `tool_choice` in plain terms."""

from dataclasses import dataclass
from typing import Any

from pipelines.payloads import Tooling


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChoice:
    """The functions that may be called; `name` is the one that must be, where there is only one to choose from."""

    functions: list[dict[str, Any]]
    must: bool = False
    name: str = ""


def tool_choice(tooling: Tooling) -> ToolChoice:
    """What a request's tools and choice come to."""
    functions = [tool for tool in tooling.tools if tool.get("type") == "function"]
    choice = tooling.tool_choice
    if choice == "none":
        return ToolChoice(functions=[])
    if not isinstance(choice, dict):
        return ToolChoice(functions=functions, must=choice == "required" and bool(functions))
    if choice.get("type") == "allowed_tools":
        names = {tool.get("name") for tool in choice["tools"]}
        allowed = [function for function in functions if function["name"] in names]
        return ToolChoice(functions=allowed, must=choice["mode"] == "required" and bool(allowed))
    named = [function for function in functions if function["name"] == choice.get("name")]
    return ToolChoice(functions=named, must=bool(named), name=named[0]["name"] if named else "")
