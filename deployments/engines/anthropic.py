"""The engine `anthropic`: the Messages API of Anthropic, or of any server that speaks it.

- The SDK retries nothing: a refusal becomes an error of ours, and our own rules decide.
- A call of a function gets an id of ours; the server's is never seen again.
- Thoughts are shown where the server shows them; redacted ones and signatures are not kept.
"""

from collections.abc import AsyncGenerator
from typing import Any

import anthropic
import httpx2
from anthropic.types import RawContentBlockDeltaEvent, RawContentBlockStartEvent, RawMessageStreamEvent

from deployments.engines.anthropic_body import messages_body
from deployments.engines.endpoint import Endpoint, EndpointEngine, ended_early, unreachable
from deployments.engines.protocol import Generation, Tokens
from pipelines.jobs import Usage
from pipelines.operations import Kind, Piece

ANTHROPIC_URL = "https://api.anthropic.com"
_NO_KEY = "none"  # without one the SDK would look for others on this machine
_FINISH_REASONS = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}  # any other is a stop
# Errors that come within an answer, whose status was 200 before; any other is the server's.
_STATUS = {"invalid_request_error": 400, "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429}
_FIRST_ERROR = 400
_BROKEN = (anthropic.APIConnectionError, httpx2.TransportError)  # the SDK does not wrap what breaks within an answer


class AnthropicEngine(EndpointEngine):
    """One model of one server. `url` "" is Anthropic itself, `key` "" sends none that is worth anything."""

    def __init__(self, *, url: str, model: str, key: str, context: int, slots: int) -> None:
        super().__init__(Endpoint(url=url or ANTHROPIC_URL, model=model, slots=slots), context=context)
        self._hosted = not url
        self._model = model
        self._client = anthropic.AsyncAnthropic(base_url=url or ANTHROPIC_URL, api_key=key or _NO_KEY, max_retries=0)

    async def generate(self, generation: Generation) -> AsyncGenerator[Tokens, None]:
        """The answer in pieces. Raises RejectError, TransientError, or EndpointError for the operator's faults."""
        body = messages_body(generation.prompt, model=self._model, hosted=self._hosted)
        async with self._endpoint.slot():
            try:
                async with await self._client.messages.create(**body) as events:
                    reader = _Reader()
                    async for event in events:
                        if pieces := reader.read(event):
                            yield Tokens([], None, pieces=tuple(pieces))
                    yield reader.end()
            except anthropic.APIStatusError as error:
                raise self._refusal(error) from error
            except _BROKEN as error:
                raise unreachable(error.__cause__ or error) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _refusal(self, error: anthropic.APIStatusError) -> Exception:
        within = error.status_code < _FIRST_ERROR
        status = _STATUS.get(error.type or "", 500) if within else error.status_code
        return self._endpoint.refusal(status, error.response.headers, error.api_message or error.message)


class _Reader:
    """Reads one answer, event by event."""

    def __init__(self) -> None:
        self._bare_call = False  # a call is open that has no arguments yet
        self._input_tokens = 0
        self._output_tokens = 0
        self._cached_tokens = 0
        self._stop_reason: str | None = None

    def read(self, event: RawMessageStreamEvent) -> list[Piece]:
        match event.type:
            case "message_start":
                self._count(event.message.usage)
            case "content_block_start":
                return self._start(event)
            case "content_block_delta":
                return self._delta(event)
            case "content_block_stop":
                return self._stop()
            case "message_delta":
                self._stop_reason = event.delta.stop_reason or self._stop_reason
                self._count(event.usage)
        return []

    def end(self) -> Tokens:
        if self._stop_reason is None:
            raise ended_early()
        usage = Usage(self._input_tokens, self._output_tokens, self._cached_tokens)
        return Tokens([], _FINISH_REASONS.get(self._stop_reason, "stop"), usage=usage)

    def _start(self, event: RawContentBlockStartEvent) -> list[Piece]:
        block = event.content_block
        match block.type:
            case "text" if block.text:
                return [Piece(text=block.text)]
            case "tool_use":
                self._bare_call = True
                return [Piece(kind=Kind.FUNCTION_CALL, text="", name=block.name, opens=True)]
        return []

    def _delta(self, event: RawContentBlockDeltaEvent) -> list[Piece]:
        delta = event.delta
        match delta.type:
            case "text_delta":
                piece = Piece(text=delta.text)
            case "thinking_delta":
                piece = Piece(kind=Kind.REASONING, text=delta.thinking)
            case "input_json_delta":
                piece = Piece(kind=Kind.FUNCTION_CALL, text=delta.partial_json)
            case _:
                return []
        if piece.text:
            self._bare_call = False
        return [piece] if piece.text else []

    def _stop(self) -> list[Piece]:
        """A function without arguments is called with none at all; others say that as an empty object."""
        bare, self._bare_call = self._bare_call, False
        return [Piece(kind=Kind.FUNCTION_CALL, text="{}")] if bare else []

    def _count(self, usage: Any) -> None:
        """Counts are of the whole answer so far; the first event has those of the prompt, the last may have."""
        cached, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
        if usage.input_tokens is not None:
            self._input_tokens = usage.input_tokens + cached + written
            self._cached_tokens = cached
        self._output_tokens = usage.output_tokens
