"""Vector stores, their files and file batches as OpenAI's clients see them. Times are Unix seconds."""

import json
from collections.abc import Sequence
from typing import Any

from pipelines.jobs import Status
from pipelines.payloads import Passage
from pipelines.vector_edits import Attachment, FileBatch, FileCounts, VectorStore


def store_view(row: VectorStore, now: float) -> dict[str, Any]:
    """OpenAI's `VectorStore`."""
    days, expires_at = row.expires_after_days, row.expires_at
    return {
        "id": row.id,
        "object": "vector_store",
        "created_at": int(row.created_at),
        "name": row.name,
        "description": row.description or None,
        "status": "expired" if row.expired(now) else _status(row.counts),
        "usage_bytes": row.usage_bytes,
        "file_counts": _counts(row.counts),
        "last_active_at": int(row.last_active_at),
        "expires_after": None if days is None else {"anchor": "last_active_at", "days": days},
        "expires_at": None if expires_at is None else int(expires_at),
        "metadata": json.loads(row.metadata),
    }


def file_view(row: Attachment) -> dict[str, Any]:
    """OpenAI's `VectorStoreFile`: it has the file's id."""
    chunking = {"max_chunk_size_tokens": row.chunk_tokens, "chunk_overlap_tokens": row.overlap_tokens}
    return {
        "id": row.file,
        "object": "vector_store.file",
        "created_at": int(row.created_at),
        "vector_store_id": row.store,
        "status": row.status,
        "last_error": {"code": row.error_code, "message": row.error_message} if row.error_code else None,
        "usage_bytes": row.usage_bytes,
        "attributes": json.loads(row.attributes),
        "chunking_strategy": {"type": "static", "static": chunking},
    }


def batch_view(row: FileBatch) -> dict[str, Any]:
    """OpenAI's `VectorStoreFileBatch`."""
    return {
        "id": row.id,
        "object": "vector_store.files_batch",
        "created_at": int(row.created_at),
        "vector_store_id": row.store,
        "status": _batch_status(row),
        "file_counts": _counts(row.counts),
    }


def passages_view(queries: Sequence[str], passages: Sequence[Passage]) -> dict[str, Any]:
    """The one page of a search."""
    return {
        "object": "vector_store.search_results.page",
        "search_query": list(queries),
        "data": [
            {
                "file_id": passage.file_id,
                "filename": passage.filename,
                "score": passage.score,
                "attributes": passage.attributes,
                "content": [{"type": "text", "text": passage.text}],
            }
            for passage in passages
        ],
        "has_more": False,
        "next_page": None,
    }


def content_view(texts: Sequence[str]) -> dict[str, Any]:
    """The one page of a file's text."""
    return {
        "object": "vector_store.file_content.page",
        "data": [{"type": "text", "text": text} for text in texts],
        "has_more": False,
        "next_page": None,
    }


def list_view(items: Sequence[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """The envelope of a list."""
    return {
        "object": "list",
        "data": list(items),
        "first_id": items[0]["id"] if items else None,
        "last_id": items[-1]["id"] if items else None,
        "has_more": has_more,
    }


def _counts(counts: FileCounts) -> dict[str, int]:
    return {**counts._asdict(), "total": counts.total}


def _status(counts: FileCounts) -> str:
    return Status.IN_PROGRESS if counts.in_progress else Status.COMPLETED


def _batch_status(row: FileBatch) -> str:
    if row.counts.in_progress:
        return Status.IN_PROGRESS
    if row.cancelled:
        return Status.CANCELLED
    return Status.FAILED if row.counts.total and row.counts.failed == row.counts.total else Status.COMPLETED
