"""Functions, calls and their outputs as plain text, for chat templates that know none of them.

The form is the one that the reader `hermes` reads.
"""

import json
from collections.abc import Sequence
from typing import Any

from pipelines.payloads import Message, ToolCall

_GUIDE = """You can call functions. Each line between the marks describes one of them:
<tools>
{tools}
</tools>
To call one, say its name and its arguments, in JSON, between these marks:
<tool_call>
{{"name": "NAME", "arguments": {{}}}}
</tool_call>"""


def in_words(messages: Sequence[Message], functions: Sequence[dict[str, Any]]) -> list[Message]:
    """The same conversation without calls; the functions stand in the system's message, which is made if need be."""
    told = [_plain(message) for message in messages]
    if not functions:
        return told
    tools = "\n".join([json.dumps(function, ensure_ascii=False) for function in functions])
    guide = _GUIDE.format(tools=tools)
    if told and told[0].role in ("system", "developer"):
        return [told[0].model_copy(update={"content": f"{told[0].content}\n\n{guide}"}), *told[1:]]
    return [Message(role="system", content=guide), *told]


def _plain(message: Message) -> Message:
    if message.role == "tool":
        return Message(role="user", content=f"<tool_response>\n{message.content}\n</tool_response>")
    if message.tool_calls:
        said = [message.content] if message.content else []
        return Message(role="assistant", content="\n".join([*said, *map(_call, message.tool_calls)]))
    return message


def _call(call: ToolCall) -> str:
    name = json.dumps(call.name, ensure_ascii=False)
    return f'<tool_call>\n{{"name": {name}, "arguments": {call.arguments}}}\n</tool_call>'
