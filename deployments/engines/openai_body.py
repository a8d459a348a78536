"""From a prompt to the body of a Chat Completions request.

Invariant: OpenAI itself gets nothing that only other servers take, and no value that is its default anyway, since its
reasoning models refuse to be told; other servers get every value, since their defaults are their own.
"""

import json
from typing import Any

from deployments.engines.offer import offer
from pipelines.errors import RejectError
from pipelines.payloads import Message, Prompt


def chat_body(prompt: Prompt, *, model: str, hosted: bool) -> dict[str, Any]:
    """The arguments of `chat.completions.create`. Raises RejectError for what this API cannot say."""
    return {
        "model": model,
        "messages": [_turn(message, hosted=hosted) for message in prompt.messages],
        "max_completion_tokens" if hosted else "max_tokens": prompt.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        **_sampling(prompt, hosted=hosted),
        **_logprobs(prompt),
        **_tools(prompt),
        **_format(prompt),
        **_effort(prompt),
    }


def _turn(message: Message, *, hosted: bool) -> dict[str, Any]:
    role = "system" if message.role == "developer" and not hosted else message.role
    turn: dict[str, Any] = {"role": role, "content": message.content}
    if message.tool_calls:
        turn["content"] = message.content or None
        turn["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.role == "tool":
        turn["tool_call_id"] = message.tool_call_id
    return turn


def _sampling(prompt: Prompt, *, hosted: bool) -> dict[str, Any]:
    values = {
        "temperature": (prompt.temperature, 1.0),
        "top_p": (prompt.top_p, 1.0),
        "presence_penalty": (prompt.presence_penalty, 0.0),
        "frequency_penalty": (prompt.frequency_penalty, 0.0),
    }
    body: dict[str, Any] = {name: value for name, (value, default) in values.items() if value != default or not hosted}
    if prompt.seed is not None:
        body["seed"] = prompt.seed
    if prompt.stop:
        body["stop"] = prompt.stop
    return body


def _logprobs(prompt: Prompt) -> dict[str, Any]:
    return {} if prompt.top_logprobs is None else {"logprobs": True, "top_logprobs": prompt.top_logprobs}


def _tools(prompt: Prompt) -> dict[str, Any]:
    tools, mode, name = offer(prompt)
    if not tools:
        return {}
    return {
        "tools": [{"type": "function", "function": _function(tool)} for tool in tools],
        "tool_choice": {"type": "function", "function": {"name": name}} if name else mode,
        "parallel_tool_calls": prompt.parallel_tool_calls,
    }


def _function(tool: dict[str, Any]) -> dict[str, Any]:
    fields = ("name", "description", "parameters", "strict")
    return {field: tool[field] for field in fields if tool.get(field) is not None}


def _format(prompt: Prompt) -> dict[str, Any]:
    if prompt.grammar is None or offer(prompt).forced:
        return {}
    match prompt.grammar.kind:
        case "json_object":
            return {"response_format": {"type": "json_object"}}
        case "json_schema":
            schema = {"name": "output", "schema": json.loads(prompt.grammar.value), "strict": True}
            return {"response_format": {"type": "json_schema", "json_schema": schema}}
        case kind:
            raise RejectError(f"This model's server knows no grammar of the kind {kind}.", "unsupported_parameter")


def _effort(prompt: Prompt) -> dict[str, Any]:
    effort = (prompt.reasoning or {}).get("effort")
    return {"reasoning_effort": effort} if effort else {}
