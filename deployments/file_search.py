"""The tool `file_search` of a request, in plain terms: what is to be searched, and what is wanted of it."""

from dataclasses import dataclass
from typing import Any

from pipelines.payloads import Request, Tooling
from pipelines.steps import GENERATE, RAG, RAG_REQUIRED

FILE_SEARCH = "file_search"
DEFAULT_RESULTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSearch:
    """One search. `rerank` is best_effort, required or none; the weights are those of vectors and of words."""

    stores: tuple[str, ...]
    queries: tuple[str, ...]
    filters: dict[str, Any] | None = None
    max_num_results: int = DEFAULT_RESULTS
    score_threshold: float = 0.0
    weights: tuple[float, float] = (1.0, 1.0)
    rerank: str = "best_effort"


def file_search(request: Request) -> FileSearch | None:
    """What a request wants searched; None where it does not."""
    tool = _tool(request)
    if tool is None:
        return None
    ranking = tool.get("ranking_options") or {}
    hybrid = ranking.get("hybrid_search") or {"embedding_weight": 1.0, "text_weight": 1.0}
    return FileSearch(
        stores=tuple(tool["vector_store_ids"]),
        queries=tuple(_queries(request)),
        filters=tool.get("filters"),
        max_num_results=tool.get("max_num_results") or DEFAULT_RESULTS,
        score_threshold=ranking.get("score_threshold") or 0.0,
        weights=(hybrid["embedding_weight"], hybrid["text_weight"]),
        rerank=tool.get("rerank") or "best_effort",
    )


def pipeline_of(request: Request) -> str:
    """The pipeline that a request's job goes through."""
    tool = _tool(request)
    if tool is None:
        return GENERATE
    return RAG_REQUIRED if tool.get("rerank") == "required" else RAG


def _tool(tooling: Tooling) -> dict[str, Any] | None:
    if tooling.tool_choice == "none":
        return None
    return next((tool for tool in tooling.tools if tool.get("type") == FILE_SEARCH), None)


def _queries(request: Request) -> list[str]:
    """What the user said last."""
    for item in reversed(request.input or []):
        if item.get("type") == "message" and item.get("role") == "user":
            return [" ".join([part["text"] for part in item["content"] if part.get("type") == "input_text"])]
    return []
