"""How the answers to `POST /v1/completions` look; the parts of a stream have the shape of the whole."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from deployments.inference.speech import Batch
from deployments.ingestion.chat_view import usage_object
from events.v1.tokens_pb2 import Logprob
from pipelines.operations import Piece


class CompletionHead(NamedTuple):
    """What all parts of one answer have alike."""

    id: str
    created: int  # Unix seconds
    model: str

    def part(self, choices: Sequence[dict[str, Any]], usage: dict[str, Any] | None = None) -> dict[str, Any]:
        """A part with these choices."""
        fixed = {"id": self.id, "object": "text_completion", "created": self.created, "model": self.model}
        return {**fixed, "choices": choices, **({"usage": usage} if usage else {})}


class CompletionChunks:
    """The chunks of one choice."""

    def __init__(self, head: CompletionHead, index: int, *, logprobs: bool) -> None:
        self._head = head
        self._index = index
        self._logprobs = logprobs
        self._length = 0

    def of(self, batch: Batch) -> list[dict[str, Any]]:
        """What is said, and with the last of it how it ended."""
        if not batch.pieces and not batch.finish_reason:
            return []
        choice = choice_object(self._index, batch, logprobs=self._logprobs, offset=self._length)
        self._length += len(choice["text"])
        return [self._head.part([choice])]


def completion_object(
    head: CompletionHead, batches: Sequence[Batch], *, choices: int, logprobs: bool
) -> dict[str, Any]:
    """The whole answer, with a batch that holds all of it for each choice."""
    objects = [choice_object(index, batch, logprobs=logprobs) for index, batch in enumerate(batches)]
    return head.part(objects, usage_object(batches, choices=choices))


def choice_object(index: int, batch: Batch, *, logprobs: bool, offset: int = 0) -> dict[str, Any]:
    """A choice, or a piece of one whose text begins at `offset`."""
    return {
        "index": index,
        "text": "".join([piece.text for piece in batch.pieces]),
        "logprobs": _logprobs(batch.pieces, offset) if logprobs else None,
        "finish_reason": batch.finish_reason or None,
    }


def _logprobs(pieces: Iterable[Piece], offset: int) -> dict[str, Any]:
    likely = [logprob for piece in pieces for logprob in piece.logprobs]
    offsets = []
    for logprob in likely:
        offsets.append(offset)
        offset += len(logprob.token)
    return {
        "tokens": [logprob.token for logprob in likely],
        "token_logprobs": [logprob.logprob for logprob in likely],
        "top_logprobs": [_top(logprob) for logprob in likely],
        "text_offset": offsets,
    }


def _top(logprob: Logprob) -> dict[str, float]:
    return {logprob.token: logprob.logprob} | {other.token: other.logprob for other in logprob.top}
