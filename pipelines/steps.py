"""The pipelines: which step of a job follows which, where its work waits, and for how long it is tried.

`generate` is render -> infer; `rag` is retrieve -> rerank -> render -> infer, where a reranker that fails is gone
without, and `rag.required`, where it fails the job; `index` puts a file into a vector store in one step.
"""

from typing import NamedTuple

RENDER, INFER, RETRIEVE, RERANK, INDEX = "render", "infer", "retrieve", "rerank", "index"
GENERATE, RAG, RAG_REQUIRED, INDEXING = "generate", "rag", "rag.required", "index"

PROMPTING_TOPIC = "topic.prompting"
RETRIEVAL_TOPIC = "topic.retrieval"
RERANKING_TOPIC = "topic.reranking"
INDEXING_TOPIC = "topic.indexing"
RESPONDING = frozenset({GENERATE, RAG, RAG_REQUIRED})  # the pipelines whose jobs are Responses
FIRST_OPERATION = 2  # the stream's `created` is 0 and `queued` is 1; both come from the request

_FIRST = {GENERATE: RENDER, RAG: RETRIEVE, RAG_REQUIRED: RETRIEVE, INDEXING: INDEX}
_NEXT = {RETRIEVE: RERANK, RERANK: RENDER, RENDER: INFER}
_TOPICS = {RENDER: PROMPTING_TOPIC, RETRIEVE: RETRIEVAL_TOPIC, RERANK: RERANKING_TOPIC, INDEX: INDEXING_TOPIC}
_LIMITS_S = {RETRIEVE: 60.0, RERANK: 20.0}


class Step(NamedTuple):
    """A step, the topic that its workers pull from, and how many seconds all its attempts may take; None: any."""

    name: str
    topic: str
    limit_s: float | None


def first_step(pipeline: str) -> Step:
    """Where a submitted job begins, whatever its model."""
    return step_of(_FIRST[pipeline])


def next_step(step: str, model: str) -> Step | None:
    """What comes after a step; None where the job is complete then."""
    return step_of(_NEXT[step], model) if step in _NEXT else None


def step_of(name: str, model: str = "") -> Step:
    """The step of this name; only the inference of a model has a topic of its own."""
    return Step(name, _TOPICS.get(name) or inference_topic(model), _LIMITS_S.get(name))


def inference_topic(model: str) -> str:
    """The topic of a model's inference workers."""
    return f"topic.inference.{model}"
