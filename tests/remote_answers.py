"""Answers of servers that speak OpenAI's and Anthropic's protocols, and the engines that ask for them, for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from deployments.engines.anthropic import AnthropicEngine
from deployments.engines.openai import OpenAIEngine
from deployments.engines.protocol import Engine
from tests.http_peer import Answer, HttpPeer


def chunk(*, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(index: int, arguments: str, name: str | None = None) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return chunk(tool_calls=[{"index": index, "function": function}])


def block(index: int, *deltas: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": fields},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def said(text: str, *, stop: str = "end_turn") -> list[dict[str, Any]]:
    return [START, *block(0, {"type": "text_delta", "text": text}, type="text", text=""), ended(stop)]


def ended(stop: str) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 7}}


START = {
    "type": "message_start",
    "message": {"usage": {"input_tokens": 5, "cache_read_input_tokens": 3, "output_tokens": 1}},
}
BROKEN = {"openai": [chunk(content="Once")], "anthropic": said("Once")[:-2]}
WHOLE = {"openai": [chunk(content="Once"), chunk(finish="stop")], "anthropic": said("Once")}
WITHHELD = {
    "openai": [chunk(content="Once"), chunk(finish="content_filter")],
    "anthropic": said("Once", stop="refusal"),
}
CALLED = {
    "openai": [call(0, '{"a": 1}', "weather"), chunk(finish="tool_calls")],
    "anthropic": [
        START,
        *block(0, {"type": "input_json_delta", "partial_json": '{"a": 1}'}, type="tool_use", id="t", name="weather"),
        ended("tool_use"),
    ],
}
KINDS = ["openai", "anthropic"]


def make(kind: str, url: str) -> Engine:
    more: dict[str, Any] = {"model": "m", "key": "secret", "context": 1000, "slots": 2}
    return OpenAIEngine(url=f"{url}/v1", **more) if kind == "openai" else AnthropicEngine(url=url, **more)


@asynccontextmanager
async def opened(kind: str, *answers: Answer) -> AsyncIterator[tuple[Engine, HttpPeer]]:
    async with HttpPeer.open(*answers) as peer:
        engine = make(kind, peer.url)
        yield engine, peer
        await engine.close()
