"""The tool `file_search`, as clients may ask for it."""

from typing import Annotated, Any, Literal

from pydantic import Field

from deployments.ingestion.bodies import Body

MOST_RESULTS = 50


class HybridSearch(Body):
    """How much the likeness of meaning and the likeness of words count."""

    embedding_weight: float = Field(ge=0, le=1_000_000)
    text_weight: float = Field(ge=0, le=1_000_000)


class RankingOptions(Body):
    """How passages are ranked, and how good they must be."""

    ranker: Literal["auto", "default-2024-11-15"] | None = None
    score_threshold: float | None = Field(default=None, ge=0, le=1)
    hybrid_search: HybridSearch | None = None


class FileSearchTool(Body):
    """Search these vector stores before the model answers.

    `rerank` is ours: `required` fails the job with the reranker, `best_effort` goes on, `none` does without one.
    """

    type: Literal["file_search"]
    vector_store_ids: Annotated[list[str], Field(min_length=1, max_length=10)]
    filters: dict[str, Any] | None = None
    max_num_results: int | None = Field(default=None, ge=1, le=MOST_RESULTS)
    ranking_options: RankingOptions | None = None
    rerank: Literal["best_effort", "required", "none"] | None = None


class HostedTool(Body):
    """The choice of a tool that runs here."""

    type: Literal["file_search"]
