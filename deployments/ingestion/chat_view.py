"""How the answer to a chat looks: the chunks of a stream, or one object."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from deployments.history.responses import logprob_object
from deployments.inference.speech import Batch
from events.ids import derived_id
from pipelines.operations import Kind, Piece


class ChatHead(NamedTuple):
    """What all parts of one answer have alike."""

    id: str
    created: int  # Unix seconds
    model: str
    service_tier: str
    fingerprint: str

    def part(self, kind: str, **fields: Any) -> dict[str, Any]:
        """A part of this kind."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "service_tier": self.service_tier,
            "system_fingerprint": self.fingerprint,
            **fields,
        }


class ChatChunks:
    """The chunks of one choice."""

    def __init__(self, head: ChatHead, index: int, *, logprobs: bool) -> None:
        self._head = head
        self._index = index
        self._logprobs = logprobs
        self._calls = 0
        self._begun = False

    def of(self, batch: Batch) -> list[dict[str, Any]]:
        """The role first, then what is said, then how it ended."""
        if not batch.pieces and not batch.finish_reason:
            return []
        chunks = [] if self._begun else [self._chunk({"role": "assistant", "content": ""})]
        self._begun = True
        chunks += [self._chunk(self._delta(piece), piece) for piece in batch.pieces]
        if batch.finish_reason:
            chunks.append(self._chunk({}, reason=finish_reason(batch, calls=self._calls)))
        return chunks

    def _delta(self, piece: Piece) -> dict[str, Any]:
        match piece.kind:
            case Kind.MESSAGE:
                return {"content": piece.text}
            case Kind.REASONING:
                return {"reasoning_content": piece.text}
            case _:
                return {"tool_calls": [self._call(piece)]}

    def _call(self, piece: Piece) -> dict[str, Any]:
        if not piece.opens and self._calls:
            return {"index": self._calls - 1, "function": {"arguments": piece.text}}
        self._calls += 1
        return {
            "index": self._calls - 1,
            "id": call_id(self._head.id, self._index, self._calls - 1),
            "type": "function",
            "function": {"name": piece.name, "arguments": piece.text},
        }

    def _chunk(self, delta: dict[str, Any], piece: Piece | None = None, reason: str | None = None) -> dict[str, Any]:
        logprobs = logprobs_object(piece.logprobs) if self._logprobs and piece and piece.kind is Kind.MESSAGE else None
        choice = {"index": self._index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return self._head.part("chat.completion.chunk", choices=[choice])


def usage_chunk(head: ChatHead, batches: Sequence[Batch]) -> dict[str, Any]:
    """What comes after the choices where the client asked for it."""
    return head.part("chat.completion.chunk", choices=[], usage=usage_object(batches, choices=len(batches)))


def chat_object(head: ChatHead, batches: Sequence[Batch], *, logprobs: bool) -> dict[str, Any]:
    """The whole answer, with a batch that holds all of it for each choice."""
    choices = [
        {
            "index": index,
            "message": _message(head.id, index, batch.pieces),
            "logprobs": logprobs_object(_likelihoods(batch.pieces)) if logprobs else None,
            "finish_reason": finish_reason(batch, calls=sum(p.kind is Kind.FUNCTION_CALL for p in batch.pieces)),
        }
        for index, batch in enumerate(batches)
    ]
    return head.part("chat.completion", choices=choices, usage=usage_object(batches, choices=len(batches)))


def finish_reason(batch: Batch, *, calls: int) -> str:
    """Calls end a turn for a reason of their own."""
    return "tool_calls" if calls and batch.finish_reason == "stop" else batch.finish_reason


def call_id(completion_id: str, choice: int, index: int) -> str:
    """The id of a choice's call, another one for each."""
    return derived_id("call", completion_id.replace("-", "_", 1), choice * 1024 + index)


def usage_object(batches: Sequence[Batch], *, choices: int) -> dict[str, Any]:
    """The sum over all choices; a prompt counts once, however many `choices` there are to it."""
    output = sum(batch.usage.output_tokens for batch in batches)
    prompt = sum(batch.usage.input_tokens for batch in batches[::choices])
    cached = sum(batch.usage.cached_tokens for batch in batches[::choices])
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": sum(batch.reasoning_tokens for batch in batches)},
    }


def logprobs_object(logprobs: Iterable[Any]) -> dict[str, Any]:
    """The likelihoods of some text."""
    return {"content": [logprob_object(logprob) for logprob in logprobs], "refusal": None}


def _message(completion_id: str, choice: int, pieces: Iterable[Piece]) -> dict[str, Any]:
    pieces = list(pieces)
    text = "".join([piece.text for piece in pieces if piece.kind is Kind.MESSAGE])
    thoughts = "".join([piece.text for piece in pieces if piece.kind is Kind.REASONING])
    calls = [piece for piece in pieces if piece.kind is Kind.FUNCTION_CALL]
    message: dict[str, Any] = {"role": "assistant", "content": text if text or not calls else None, "refusal": None}
    if thoughts:
        message["reasoning_content"] = thoughts
    if calls:
        message["tool_calls"] = [
            {
                "id": call_id(completion_id, choice, index),
                "type": "function",
                "function": {"name": call.name, "arguments": call.text},
            }
            for index, call in enumerate(calls)
        ]
    return message


def _likelihoods(pieces: Iterable[Piece]) -> list[Any]:
    return [logprob for piece in pieces if piece.kind is Kind.MESSAGE for logprob in piece.logprobs]
