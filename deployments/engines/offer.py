"""Which functions a prompt offers to a model at another server, and how freely."""

from typing import Any, NamedTuple

from deployments.tool_choice import tool_choice
from pipelines.payloads import Tooling


class Offer(NamedTuple):
    """`mode` is none, auto or required; `name` is the function that must be called, where the client has named one."""

    tools: list[dict[str, Any]]
    mode: str
    name: str = ""

    @property
    def forced(self) -> bool:
        """Whether a function must be called; no other grammar counts then."""
        return bool(self.tools) and self.mode == "required"


def offer(tooling: Tooling) -> Offer:
    """The functions on offer; other kinds of tools are left out."""
    if tooling.tool_choice == "none":  # they are told all the same: earlier turns may have called them
        return Offer([tool for tool in tooling.tools if tool.get("type") == "function"], "none")
    choice = tool_choice(tooling)
    return Offer(choice.functions, "required" if choice.must else "auto", choice.name)
