"""From a prompt to the body of an Anthropic Messages request.

- What a system or developer says stands before the conversation, wherever it was said.
- Turns of the same side that follow each other are one: an answer to a call must stand in the turn after it.
- The API has no seed and no penalties; they steer, and are left out. Likelihoods, and grammars other than a JSON
  schema, would change what the client gets, and are refused.
- Earlier thoughts are not sent back: the API takes only those that it has signed.
"""

import json
from typing import Any

from deployments.engines.offer import offer
from pipelines.errors import RejectError
from pipelines.payloads import Message, Prompt, ToolCall

_SYSTEM = ("system", "developer")
_MODES = {"auto": "auto", "required": "any", "none": "none"}


def messages_body(prompt: Prompt, *, model: str, hosted: bool) -> dict[str, Any]:
    """The arguments of `messages.create`. Raises RejectError for what this API cannot say."""
    if prompt.top_logprobs is not None:
        raise RejectError("This model's server gives no likelihoods.", "unsupported_parameter", "top_logprobs")
    system = "\n\n".join([message.content for message in prompt.messages if message.role in _SYSTEM])
    return {
        "model": model,
        "messages": _turns([message for message in prompt.messages if message.role not in _SYSTEM]),
        "max_tokens": prompt.max_tokens,
        "stream": True,
        **({"system": system} if system else {}),
        **({"stop_sequences": prompt.stop} if prompt.stop else {}),
        **_tools(prompt),
        **_thinking(prompt),
        "extra_body": _sampling(prompt, hosted=hosted),
    }


def _turns(messages: list[Message]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for message in messages:
        role = "assistant" if message.role == "assistant" else "user"
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": []})
        turns[-1]["content"] += _blocks(message)
    return turns


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.content}]
    text = [{"type": "text", "text": message.content}] if message.content else []  # the API refuses an empty one
    return [*text, *[_tool_use(call) for call in message.tool_calls or []]]


def _tool_use(call: ToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": _object(call.arguments)}


def _object(arguments: str) -> dict[str, Any]:
    """The arguments as the object that the API wants, also where a model has written something else."""
    try:
        value = json.loads(arguments)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"arguments": arguments}


def _tools(prompt: Prompt) -> dict[str, Any]:
    tools, mode, name = offer(prompt)
    if not tools:
        return {}
    choice: dict[str, Any] = {"type": "tool", "name": name} if name else {"type": _MODES.get(mode, "auto")}
    if choice["type"] != "none":
        choice["disable_parallel_tool_use"] = not prompt.parallel_tool_calls
    return {"tools": [_tool(tool) for tool in tools], "tool_choice": choice}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    described = {field: tool[field] for field in ("description", "strict") if tool.get(field)}
    return {"name": tool["name"], "input_schema": tool.get("parameters") or {"type": "object"}, **described}


def _thinking(prompt: Prompt) -> dict[str, Any]:
    """How much to think, and the form of the answer: one field of the API holds both."""
    effort = (prompt.reasoning or {}).get("effort")
    body: dict[str, Any] = {}
    output: dict[str, Any] = _format(prompt)
    if effort == "none":
        body["thinking"] = {"type": "disabled"}
    elif effort:
        body["thinking"] = {"type": "adaptive"}
        output["effort"] = "low" if effort == "minimal" else effort
    return {**body, **({"output_config": output} if output else {})}


def _format(prompt: Prompt) -> dict[str, Any]:
    if prompt.grammar is None or offer(prompt).forced:  # the server sees to calls itself
        return {}
    if prompt.grammar.kind != "json_schema":
        raise RejectError("This model's server holds to JSON schemas only.", "unsupported_parameter", "text.format")
    return {"format": {"type": "json_schema", "schema": json.loads(prompt.grammar.value)}}


def _sampling(prompt: Prompt, *, hosted: bool) -> dict[str, float]:
    """Not among the SDK's arguments, since Anthropic's newer models refuse them: sent to it only where not as usual."""
    values = {"temperature": prompt.temperature, "top_p": prompt.top_p}
    return {name: value for name, value in values.items() if value != 1 or not hosted}
