"""The items of earlier turns, read from their payloads."""

from collections.abc import Sequence
from typing import Any

from actors.blobs import Blobs
from pipelines.jobs import parse_reference
from pipelines.payloads import Request, Result, Turn


async def earlier_items(blobs: Blobs, tenant: str, context: Sequence[Turn]) -> list[dict[str, Any]]:
    """Input and output of every turn, oldest first."""
    references = [parse_reference(text) for turn in context for text in (turn.request, turn.result)]
    payloads = await blobs.get_many([(tenant, reference, None) for reference in references])
    items: list[dict[str, Any]] = []
    for request, result in zip(payloads[::2], payloads[1::2], strict=True):
        items += Request.model_validate_json(request).input or []
        items += Result.model_validate_json(result).output
    return items
