"""OpenAI's Batch object of a batch's row."""

from typing import Any

from pydantic_core import from_json

from pipelines.batch_edits import Batch, BatchStatus, error_id, output_id


class UnknownBatchError(LookupError):
    """There is no such batch, or it is another tenant's."""


_TIMES = {
    BatchStatus.COMPLETED: "completed_at",
    BatchStatus.FAILED: "failed_at",
    BatchStatus.EXPIRED: "expired_at",
    BatchStatus.CANCELLED: "cancelled_at",
}


def batch_object(row: Batch) -> dict[str, Any]:
    """A batch. Times are Unix seconds; a file's id is there once there is something to read in it."""
    outputs, errors = (row.output_bytes, row.error_bytes) if row.ended else (row.completed, row.failed)
    return {
        "id": row.id,
        "object": "batch",
        "endpoint": row.endpoint,
        "model": row.model or None,
        "errors": {"object": "list", "data": from_json(row.errors)} if row.errors else None,
        "input_file_id": row.input_file,
        "completion_window": row.window,
        "status": str(row.status),
        "output_file_id": output_id(row.id) if outputs else None,
        "error_file_id": error_id(row.id) if errors else None,
        "created_at": int(row.created_at),
        "in_progress_at": _seconds(row.in_progress_at),
        "expires_at": int(row.expires_at),
        "finalizing_at": _seconds(row.finalizing_at),
        "cancelling_at": _seconds(row.cancelling_at),
        **{name: _seconds(row.ended_at) if row.status == status else None for status, name in _TIMES.items()},
        "request_counts": {"total": max(0, row.total), "completed": row.completed, "failed": row.failed},
        "usage": _usage(row),
        "metadata": from_json(row.metadata),
    }


def _usage(row: Batch) -> dict[str, Any]:
    return {
        "input_tokens": row.input_tokens,
        "input_tokens_details": {"cached_tokens": row.cached_tokens},
        "output_tokens": row.output_tokens,
        "output_tokens_details": {"reasoning_tokens": row.reasoning_tokens},
        "total_tokens": row.input_tokens + row.output_tokens,
    }


def _seconds(time: float | None) -> int | None:
    return None if time is None else int(time)
