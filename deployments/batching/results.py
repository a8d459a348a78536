"""What becomes of a line: one line of the output file, or of that of errors, as a pure function of what is stored."""

from base64 import b64decode
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from pydantic_core import from_json, to_json

from deployments.batching.lines import CHAT, COMPLETIONS, EMBEDDINGS
from deployments.history.responses import response_object
from deployments.inference.speech import Batch as Speech
from deployments.ingestion.chat_view import ChatHead, chat_object
from deployments.ingestion.completion_view import CompletionHead, completion_object
from deployments.ingestion.embeddings import embedding_object
from deployments.ingestion.errors import ApiError
from events.ids import derived_id
from events.v1.tokens_pb2 import Logprob
from pipelines.batch_edits import Batch, BatchStatus
from pipelines.jobs import Fault, Job, Status
from pipelines.operations import Kind, Piece
from pipelines.payloads import EmbeddingRequest, EmbeddingResult, Request, Result
from pipelines.transitions import DEADLINE_PASSED

_OF_SERVER = ("server_error", "transient", "worker_crashed", "worker_lost", "step_expired", "step_deadline_exceeded")
_EXPIRED = Fault("batch_expired", "This request could not be executed before the completion window expired.")
_CANCELLED = Fault("batch_cancelled", "This request was cancelled before it was executed.")
_KINDS = {"message": Kind.MESSAGE, "reasoning": Kind.REASONING, "function_call": Kind.FUNCTION_CALL}


class Told(NamedTuple):
    """A line of the output file, and the tokens of reasoning behind it."""

    line: bytes
    reasoning_tokens: int = 0


def output_line(endpoint: str, job: Job, request: bytes, result: bytes) -> Told:
    """What the output file says of a job with these payloads."""
    if endpoint == EMBEDDINGS:
        asked = EmbeddingRequest.model_validate_json(request)
        body = _embedding(asked, EmbeddingResult.model_validate_json(result))
        return Told(_line(job.id, asked.custom_id, _response(job.id, 200, body), None))
    generation, outcome = Request.model_validate_json(request), Result.model_validate_json(result)
    body = _generation(endpoint, job, generation, outcome)
    line = _line(job.id, generation.custom_id, _response(job.id, 200, body), None)
    return Told(line, outcome.reasoning_tokens)


def error_line(batch: Batch, job: Job, request: bytes) -> bytes:
    """What the error file says of a job that has no result."""
    custom_id: str = from_json(request)["custom_id"]
    if job.status is Status.CANCELLED or job.fault == DEADLINE_PASSED:
        return unrun_line(batch, job.id, custom_id, expired=job.fault == DEADLINE_PASSED)
    fault = job.fault or Fault("server_error", "the job failed")
    refusal = ApiError(500 if fault.code in _OF_SERVER else 400, fault.message, fault.code)
    return _line(job.id, custom_id, _response(job.id, refusal.status, refusal.body()), fault)


def unrun_line(batch: Batch, job_id: str, custom_id: str | None, *, expired: bool = False) -> bytes:
    """The same of a line that has not run, and may never have become a job."""
    late = expired or batch.fate == BatchStatus.EXPIRED
    return _line(job_id, custom_id, None, _EXPIRED if late else _CANCELLED)


def _line(job_id: str, custom_id: str | None, response: dict[str, Any] | None, fault: Fault | None) -> bytes:
    error = None if fault is None else fault._asdict()
    name = derived_id("batch_req", job_id)
    return to_json({"id": name, "custom_id": custom_id, "response": response, "error": error}) + b"\n"


def _response(job_id: str, status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {"status_code": status, "request_id": derived_id("req", job_id), "body": body}


def _embedding(request: EmbeddingRequest, result: EmbeddingResult) -> dict[str, Any]:
    written: list[Any] = result.vectors
    if request.encoding_format == "float":
        written = [np.frombuffer(b64decode(vector), "<f4").tolist() for vector in result.vectors]
    return embedding_object(request.model, written, result.tokens)


def _generation(endpoint: str, job: Job, request: Request, result: Result) -> dict[str, Any]:
    likely = request.top_logprobs is not None
    if endpoint == CHAT:
        return chat_object(_chat_head(job, request, result), [_speech(result)], logprobs=likely)
    if endpoint == COMPLETIONS:
        head = CompletionHead(_hyphened("cmpl", job), int(job.created_at), request.model)
        return completion_object(head, [_speech(result)], choices=1, logprobs=likely)
    return response_object(job, request, result.output, result.reasoning_tokens)


def _chat_head(job: Job, request: Request, result: Result) -> ChatHead:
    tier = request.echo.get("service_tier", "default")
    name = _hyphened("chatcmpl", job)
    return ChatHead(name, int(job.created_at), request.model, tier, result.engine_fingerprint)


def _hyphened(prefix: str, job: Job) -> str:
    return derived_id(prefix, job.id).replace("_", "-", 1)


def _speech(result: Result) -> Speech:
    """A result as what a direct request hears."""
    return Speech(
        pieces=tuple(_pieces(result)),
        finish_reason=result.finish_reason,
        usage=result.usage,
        reasoning_tokens=result.reasoning_tokens,
        fingerprint=result.engine_fingerprint,
    )


def _pieces(result: Result) -> Iterator[Piece]:
    for item in result.output:
        kind = _KINDS[item["type"]]
        if kind is Kind.FUNCTION_CALL:
            yield Piece(item["arguments"], kind, item["name"], opens=True)
            continue
        for part in item["content"]:
            yield Piece(part["text"], kind, logprobs=tuple(map(_logprob, part.get("logprobs", ()))))


def _logprob(shown: dict[str, Any]) -> Logprob:
    top = [_logprob(other) for other in shown.get("top_logprobs", ())]
    return Logprob(token=shown["token"], utf8=bytes(shown["bytes"]), logprob=shown["logprob"], top=top)
