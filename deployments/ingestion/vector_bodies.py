"""What clients may send about vector stores."""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from deployments.file_search import FileSearch
from deployments.ingestion.bodies import Body, Metadata, refusal
from deployments.ingestion.direct_body import text_or_list
from deployments.ingestion.search_tools import MOST_RESULTS
from deployments.knowledge.vector_stores import Chunking, NewFile, NewStore

MOST_FILES = 2000  # at once
MOST_QUERIES = 32
DEFAULT_RESULTS = 10
_EXACT = 2**53  # larger integers are floats to most clients anyway
_OVERLAP = "chunking_strategy.static.chunk_overlap_tokens"
FileIds = Annotated[list[str], Field(max_length=MOST_FILES)]
Name = Annotated[str, Field(max_length=256)]
Query = Annotated[str, Field(min_length=1)]


def _value_kind(value: Any) -> str | None:
    kinds: dict[type, str] = {str: "<text>", bool: "<flag>", int: "<number>", float: "<number>"}
    return kinds.get(type(value))


Value = Annotated[
    Annotated[str, Field(max_length=512), Tag("<text>")]
    | Annotated[bool, Tag("<flag>")]
    | Annotated[Annotated[int, Field(ge=-_EXACT, le=_EXACT)] | float, Tag("<number>")],
    Discriminator(
        _value_kind,
        custom_error_type="invalid_type",
        custom_error_message="The value of an attribute is a string, a number or a boolean.",
    ),
]
Attributes = Annotated[dict[Annotated[str, Field(max_length=64)], Value], Field(max_length=16)]


class StoreExpiry(Body):
    """When a store goes."""

    anchor: Literal["last_active_at"]
    days: int = Field(ge=1, le=365)


class StaticChunks(Body):
    """The most tokens of a chunk, and how many of them the next one has too."""

    max_chunk_size_tokens: int = Field(ge=100, le=4096)
    chunk_overlap_tokens: int = Field(ge=0)

    @model_validator(mode="after")
    def _overlap(self) -> Self:
        if self.chunk_overlap_tokens * 2 > self.max_chunk_size_tokens:
            message = "'chunk_overlap_tokens' is at most half of 'max_chunk_size_tokens'."
            raise refusal("invalid_value", message, _OVERLAP)
        return self


class AutoStrategy(Body):
    """Chunks as by default."""

    type: Literal["auto"]

    def chunking(self) -> Chunking:
        """The default."""
        return Chunking()


class StaticStrategy(Body):
    """Chunks as the client wants them."""

    type: Literal["static"]
    static: StaticChunks

    def chunking(self) -> Chunking:
        """These."""
        return Chunking(self.static.max_chunk_size_tokens, self.static.chunk_overlap_tokens)


def _strategy_kind(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else None
    return f"<{kind}>" if kind in ("auto", "static") else None


Strategy = Annotated[
    Annotated[AutoStrategy, Tag("<auto>")] | Annotated[StaticStrategy, Tag("<static>")],
    Discriminator(
        _strategy_kind,
        custom_error_type="invalid_value",
        custom_error_message="A chunking strategy is of type 'auto' or 'static'.",
    ),
]


class NewVectorStore(Body):
    """`POST /v1/vector_stores`."""

    name: Name | None = None
    description: Annotated[str, Field(max_length=512)] | None = None
    file_ids: FileIds | None = None
    expires_after: StoreExpiry | None = None
    chunking_strategy: Strategy | None = None
    metadata: Metadata | None = None

    def wanted(self) -> NewStore:
        """What the client wants."""
        return NewStore(
            name=self.name or "",
            description=self.description or "",
            metadata=json.dumps(self.metadata or {}),
            expires_after_days=self.expires_after.days if self.expires_after else None,
            files=_alike(self.file_ids or [], None, self.chunking_strategy),
        )


class VectorStoreUpdate(Body):
    """`POST /v1/vector_stores/{id}`: what is given is changed, and null clears it."""

    name: Name | None = None
    expires_after: StoreExpiry | None = None
    metadata: Metadata | None = None

    def changes(self) -> dict[str, Any]:
        """The fields of the store's row."""
        days = self.expires_after.days if self.expires_after else None
        values = {"name": self.name or "", "expires_after": days, "metadata": json.dumps(self.metadata or {})}
        names = {"expires_after": "expires_after_days"}
        return {names.get(name, name): value for name, value in values.items() if name in self.model_fields_set}


class NewVectorFile(Body):
    """`POST /v1/vector_stores/{id}/files`, and one of several in a batch."""

    file_id: str
    attributes: Attributes | None = None
    chunking_strategy: Strategy | None = None

    def wanted(self) -> NewFile:
        """What the client wants."""
        return _alike([self.file_id], self.attributes, self.chunking_strategy)[0]


class VectorFileUpdate(Body):
    """`POST /v1/vector_stores/{id}/files/{file_id}`."""

    attributes: Attributes | None


class NewFileBatch(Body):
    """`POST /v1/vector_stores/{id}/file_batches`: `file_ids`, with what holds for all of them, or `files`."""

    file_ids: Annotated[FileIds, Field(min_length=1)] | None = None
    files: Annotated[list[NewVectorFile], Field(min_length=1, max_length=MOST_FILES)] | None = None
    attributes: Attributes | None = None
    chunking_strategy: Strategy | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.file_ids is None and self.files is None:
            raise PydanticCustomError("missing_required_parameter", "Give one of 'file_ids' and 'files'.")
        if self.file_ids is not None and self.files is not None:
            raise PydanticCustomError("invalid_value", "Give only one of 'file_ids' and 'files'.")
        return self

    def wanted(self) -> list[NewFile]:
        """The files."""
        if self.files is not None:
            return [file.wanted() for file in self.files]
        return _alike(self.file_ids or [], self.attributes, self.chunking_strategy)


class Ranking(Body):
    """How what is found is ranked, and how good it must be."""

    ranker: Literal["none", "auto", "default-2024-11-15"] | None = None
    score_threshold: float | None = Field(default=None, ge=0, le=1)


class VectorSearch(Body):
    """`POST /v1/vector_stores/{id}/search`. `rewrite_query` is taken and changes nothing."""

    query: Annotated[
        Annotated[Query, Tag("<string>")]
        | Annotated[list[Query], Field(min_length=1, max_length=MOST_QUERIES), Tag("<list>")],
        Discriminator(text_or_list),
    ]
    filters: dict[str, Any] | None = None
    max_num_results: int = Field(default=DEFAULT_RESULTS, ge=1, le=MOST_RESULTS)
    ranking_options: Ranking | None = None
    rewrite_query: bool = False

    def search(self, store: str) -> FileSearch:
        """What is to be searched."""
        ranking = self.ranking_options or Ranking()
        return FileSearch(
            stores=(store,),
            queries=(self.query,) if isinstance(self.query, str) else tuple(self.query),
            filters=self.filters,
            max_num_results=self.max_num_results,
            score_threshold=ranking.score_threshold or 0.0,
            rerank="none" if ranking.ranker == "none" else "best_effort",
        )


def _alike(files: list[str], attributes: Any, strategy: AutoStrategy | StaticStrategy | None) -> list[NewFile]:
    chunking = strategy.chunking() if strategy else Chunking()
    return [NewFile(file, json.dumps(attributes or {}), chunking) for file in files]
