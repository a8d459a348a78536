"""OpenAI's Response object of a job, as a pure function of the job's row, its request and its output.

Every field that the API knows is there in every Response, so that strict clients can read it.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from events.ids import milliseconds_of
from events.v1.tokens_pb2 import Citation, Logprob
from pipelines.jobs import Fault, Job, Status, Usage
from pipelines.operations import Item, Kind
from pipelines.payloads import Request

ERROR_CODES = frozenset(
    {
        "server_error",
        "rate_limit_exceeded",
        "invalid_prompt",
        "data_residency_mismatch",
        "bio_policy",
        "misalignment_policy_violation",
        "vector_store_timeout",
        "invalid_image",
        "invalid_image_format",
        "invalid_base64_image",
        "invalid_image_url",
        "image_too_large",
        "image_too_small",
        "image_parse_error",
        "image_content_policy_violation",
        "invalid_image_mode",
        "image_file_too_large",
        "unsupported_image_media_type",
        "empty_image_file",
        "failed_to_download_image",
        "image_file_not_found",
    }
)  # the closed set that strict clients accept
_DEFAULTS: dict[str, Any] = {
    "object": "response",
    "completed_at": None,
    "error": None,
    "incomplete_details": None,
    "max_tool_calls": None,
    "output": [],
    "prompt_cache_key": None,
    "safety_identifier": None,
    "service_tier": "default",
    "usage": None,
    "user": None,
}
_REPEATED = (
    "background",
    "frequency_penalty",
    "instructions",
    "max_output_tokens",
    "metadata",
    "model",
    "parallel_tool_calls",
    "presence_penalty",
    "previous_response_id",
    "prompt",
    "reasoning",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
    "truncation",
)  # fields that the Response and the request have alike


def skeleton(job_id: str, request: Request) -> dict[str, Any]:
    """The Response of a job that was just accepted: a function of its id and its request alone."""
    return {
        "id": job_id,
        "created_at": milliseconds_of(job_id) // 1000,
        "status": (Status.QUEUED if request.background else Status.IN_PROGRESS).value,
        **_DEFAULTS,
        **{name: getattr(request, name) for name in _REPEATED},
        "conversation": {"id": request.conversation} if request.conversation else None,
        "store": request.stored,
        "text": {"format": request.format or {"type": "text"}},
        "top_logprobs": request.top_logprobs or 0,
        **request.echo,
    }


def response_object(
    job: Job, request: Request, output: Sequence[dict[str, Any]] = (), reasoning_tokens: int = 0
) -> dict[str, Any]:
    """The Response as the job stands. `output` counts only once the job is terminal."""
    response = skeleton(job.id, request) | {"status": job.status.value}
    if not job.status.terminal:
        return response
    return response | {
        "output": list(output),
        "usage": usage_object(job.usage, reasoning_tokens) if job.usage else None,
        "completed_at": _completed_at(job),
        "error": error_object(job.fault) if job.status is Status.FAILED else None,
        "incomplete_details": {"reason": job.reason} if job.status is Status.INCOMPLETE else None,
    }


def item_object(item: Item) -> dict[str, Any]:
    """An output item; one that is still open is in progress."""
    status = item.status or Status.IN_PROGRESS.value
    match item.kind:
        case Kind.MESSAGE:
            annotations = [annotation_object(citation) for citation in item.citations]
            logprobs = _logprobs(item.logprobs)
            part = {"type": "output_text", "text": item.text, "annotations": annotations, "logprobs": logprobs}
            return {"id": item.item_id, "type": "message", "role": "assistant", "status": status, "content": [part]}
        case Kind.REASONING:
            thought = {"type": "reasoning_text", "text": item.text}
            return {"id": item.item_id, "type": "reasoning", "status": status, "summary": [], "content": [thought]}
        case Kind.FUNCTION_CALL:
            return {
                "id": item.item_id,
                "type": "function_call",
                "status": status,
                "call_id": item.call_id,
                "name": item.name,
                "arguments": item.text,
            }
        case Kind.FILE_SEARCH:
            found = json.loads(item.text) if item.text else {"queries": [], "results": None}
            return {"id": item.item_id, "type": "file_search_call", "status": status, **found}


def annotation_object(citation: Citation) -> dict[str, Any]:
    """A citation in OpenAI's shape. `source` is ours: which characters of the file's text are cited."""
    return {
        "type": "file_citation",
        "file_id": citation.file_id,
        "filename": citation.filename,
        "index": citation.position,
        "source": {"start": citation.start, "end": citation.end},
    }


def logprob_object(logprob: Logprob) -> dict[str, Any]:
    """A token's likelihood in OpenAI's shape."""
    return {**_likelihood(logprob), "top_logprobs": [_likelihood(other) for other in logprob.top]}


def _logprobs(logprobs: Iterable[Logprob]) -> list[dict[str, Any]]:
    return [logprob_object(logprob) for logprob in logprobs]


def _likelihood(logprob: Logprob) -> dict[str, Any]:
    return {"token": logprob.token, "bytes": list(logprob.utf8), "logprob": logprob.logprob}


def usage_object(usage: Usage, reasoning_tokens: int = 0) -> dict[str, Any]:
    """Tokens in OpenAI's shape; those of the reasoning are among those of the output."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def error_object(fault: Fault | None) -> dict[str, str]:
    """Why a job failed; a code of ours that strict clients do not know becomes `server_error`."""
    fault = fault or Fault("server_error", "the job failed")
    return {"code": fault.code if fault.code in ERROR_CODES else "server_error", "message": fault.message}


def _completed_at(job: Job) -> int | None:
    return int(job.finished_at) if job.status is Status.COMPLETED and job.finished_at else None
