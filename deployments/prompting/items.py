"""From items of the Responses API to the turns of a chat template.

Invariant: what an assistant said and called without a turn of others between is one message, as templates expect it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from pipelines.errors import RejectError
from pipelines.payloads import Message, ToolCall

Item = dict[str, Any]


def messages_of(items: Iterable[Item]) -> list[Message]:
    """The turns; an item that comes again under its id counts once. Raises RejectError for items that are not text."""
    messages: list[Message] = []
    seen: set[str] = set()
    reasoning = ""
    for item in items:
        if item.get("id") in seen:
            continue
        seen |= {item["id"]} if item.get("id") else set()
        if item.get("type") == "file_search_call":  # what was found then stands in the answer, as far as it counted
            continue
        if item.get("type") == "reasoning":
            reasoning += _text(item.get("content") or item.get("summary") or [])
            continue
        message = _message(item)
        if message.role == "assistant" and reasoning:
            message = message.model_copy(update={"reasoning": reasoning})
        reasoning = ""
        _append(messages, message)
    return messages


def check_answers(messages: Sequence[Message]) -> None:
    """Raises RejectError where a function's output answers no call before it."""
    calls: set[str] = set()
    for message in messages:
        calls |= {call.id for call in message.tool_calls or []}
        if message.role == "tool" and message.tool_call_id not in calls:
            raise RejectError(
                f"No tool call found for function call output with call_id {message.tool_call_id}.",
                code="invalid_value",
                param="input",
            )


def _message(item: Item) -> Message:
    match item.get("type", "message"):
        case "message":
            return Message(role=item["role"], content=_text(item["content"]))
        case "function_call":
            call = ToolCall(id=item["call_id"], name=item["name"], arguments=item["arguments"])
            return Message(role="assistant", content="", tool_calls=[call])
        case "function_call_output":
            return Message(role="tool", content=_text(item["output"]), tool_call_id=item["call_id"])
        case kind:
            raise RejectError(f"Items of type '{kind}' cannot be rendered.", code="invalid_value", param="input")


def _append(messages: list[Message], message: Message) -> None:
    last = messages[-1] if messages else None
    if last is None or last.role != "assistant" or not message.tool_calls:
        messages.append(message)
        return
    calls = [*(last.tool_calls or []), *message.tool_calls]
    messages[-1] = last.model_copy(update={"tool_calls": calls, "reasoning": last.reasoning or message.reasoning})


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join([_part(part) for part in content])


def _part(part: Item) -> str:
    text = part.get("refusal") if part.get("type") == "refusal" else part.get("text")
    if not isinstance(text, str):
        raise RejectError(f"Content of type '{part.get('type')}' is no text.", code="invalid_value", param="input")
    return text
