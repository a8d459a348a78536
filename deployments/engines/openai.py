"""The engine `openai`: Chat Completions of OpenAI, or of any server that speaks them.

- The SDK retries nothing: a refusal becomes an error of ours, and our own rules decide.
- A call of a function gets an id of ours; the server's is never seen again.
- A refusal of the model (`delta.refusal`) is shown as text.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any

import openai
from openai.types.chat import ChatCompletionChunk, ChatCompletionTokenLogprob
from openai.types.chat.chat_completion_chunk import ChoiceDelta, ChoiceDeltaToolCall
from openai.types.completion_usage import CompletionUsage

from deployments.engines.endpoint import Endpoint, EndpointEngine, EndpointError, ended_early, unreachable
from deployments.engines.openai_body import chat_body
from deployments.engines.protocol import Generation, Tokens
from events.v1.tokens_pb2 import Logprob
from pipelines.jobs import Usage
from pipelines.operations import Kind, Piece

OPENAI_URL = "https://api.openai.com/v1"
_NO_KEY = "none"  # the SDK wants one, and servers without keys do not look at it
_FINISH_REASONS = {"length": "length", "content_filter": "content_filter"}  # any other is a stop


class OpenAIEngine(EndpointEngine):
    """One model of one server. `url` "" is OpenAI itself, `key` "" sends none that is worth anything."""

    def __init__(self, *, url: str, model: str, key: str, context: int, slots: int) -> None:
        super().__init__(Endpoint(url=url or OPENAI_URL, model=model, slots=slots), context=context)
        self._hosted = not url
        self._model = model
        self._client = openai.AsyncOpenAI(base_url=url or OPENAI_URL, api_key=key or _NO_KEY, max_retries=0)

    async def generate(self, generation: Generation) -> AsyncGenerator[Tokens, None]:
        """The answer in pieces. Raises RejectError, TransientError, or EndpointError for the operator's faults."""
        body = chat_body(generation.prompt, model=self._model, hosted=self._hosted)
        async with self._endpoint.slot():
            try:
                async with await self._client.chat.completions.create(**body) as chunks:
                    reader = _Reader()
                    async for chunk in chunks:
                        if pieces := reader.read(chunk):
                            yield Tokens([], None, pieces=tuple(pieces))
                    yield reader.end(generation.prompt.input_tokens)
            except openai.APIStatusError as error:
                raise self._refusal(error.status_code, error.response.headers, error) from error
            except openai.APIConnectionError as error:
                raise unreachable(error.__cause__ or error) from error
            except openai.APIError as error:  # in the middle of an answer
                raise self._refusal(_status_of(error), {}, error) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _refusal(self, status: int, headers: Mapping[str, str], error: openai.APIError) -> Exception:
        body = error.body if isinstance(error.body, dict) else {}
        return self._endpoint.refusal(status, headers, str(body.get("message") or error.message), error.code)


class _Reader:
    """Reads one answer, chunk by chunk."""

    def __init__(self) -> None:
        self._call = -1  # the index of the call that is open
        self._logprobs: list[Logprob] = []  # of tokens whose text is not complete yet
        self._deltas = 0
        self._finish_reason: str | None = None
        self._usage: CompletionUsage | None = None

    def read(self, chunk: ChatCompletionChunk) -> list[Piece]:
        self._usage = chunk.usage or self._usage
        if not chunk.choices:
            return []
        choice = chunk.choices[0]
        self._finish_reason = choice.finish_reason or self._finish_reason
        if choice.logprobs is not None:
            self._logprobs += [_logprob(token) for token in choice.logprobs.content or []]
        pieces = self._pieces(choice.delta)
        self._deltas += bool(pieces)
        return pieces

    def end(self, words: int) -> Tokens:
        """The last tokens. A server that does not count is counted for: `words` in, and each chunk one token."""
        if self._finish_reason is None:
            raise ended_early()
        usage = Usage(words, self._deltas) if self._usage is None else _usage(self._usage)
        return Tokens([], _FINISH_REASONS.get(self._finish_reason, "stop"), usage=usage)

    def _pieces(self, delta: ChoiceDelta) -> list[Piece]:
        pieces = [Piece(kind=Kind.REASONING, text=text) for text in [_reasoning(delta)] if text]
        if text := delta.content or delta.refusal:
            pieces.append(Piece(text=text, logprobs=tuple(self._logprobs)))
            self._logprobs = []
        return [*pieces, *[self._piece_of(call) for call in delta.tool_calls or []]]

    def _piece_of(self, call: ChoiceDeltaToolCall) -> Piece:
        if call.index < self._call:
            raise EndpointError("the model's server goes back to a call that it had left")
        opens, self._call = call.index > self._call, call.index
        function = call.function
        text, name = (function.arguments or "", function.name or "") if function else ("", "")
        return Piece(kind=Kind.FUNCTION_CALL, text=text, name=name, opens=opens)


def _reasoning(delta: ChoiceDelta) -> str:
    """What servers add to OpenAI's protocol, under either name."""
    more: dict[str, Any] = delta.model_extra or {}
    return str(more.get("reasoning_content") or more.get("reasoning") or "")


def _usage(usage: CompletionUsage) -> Usage:
    details = usage.prompt_tokens_details
    return Usage(usage.prompt_tokens, usage.completion_tokens, (details and details.cached_tokens) or 0)


def _logprob(token: ChatCompletionTokenLogprob) -> Logprob:
    top = [_likelihood(other.token, other.bytes, other.logprob) for other in token.top_logprobs]
    return _likelihood(token.token, token.bytes, token.logprob, top)


def _likelihood(token: str, utf8: Iterable[int] | None, logprob: float, top: Iterable[Logprob] = ()) -> Logprob:
    return Logprob(token=token, utf8=token.encode() if utf8 is None else bytes(utf8), logprob=logprob, top=top)


def _status_of(error: openai.APIError) -> int:
    """An error that came within an answer has no status; some servers give one as its code."""
    code = error.body.get("code") if isinstance(error.body, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 500
