"""The pipelines: which step of a job follows which, where its work waits, and for how long it is tried.

`generate` is render -> infer, or infer alone where the job comes with its prompt, and `generate.bulk` the same of jobs
that came with many others; `rag` is retrieve -> rerank -> render -> infer, where a reranker that fails is gone without,
and `rag.required`, where it fails the job; `index` puts a file into a vector store in one step. A batch is two jobs of
one step, `batch.validate` and `batch.finalize`, and between them one `batch.line` for each of its lines: infer alone,
for its prompt comes with it, from a topic of its own; or one `batch.embed`, which makes vectors.
"""

from functools import lru_cache
from typing import NamedTuple

RENDER, INFER, RETRIEVE, RERANK, INDEX = "render", "infer", "retrieve", "rerank", "index"
VALIDATE, EMBED, FINALIZE = "validate", "embed", "finalize"
GENERATE, BULK, RAG, RAG_REQUIRED, INDEXING = "generate", "generate.bulk", "rag", "rag.required", "index"
VALIDATION, LINE, EMBEDDING, FINALIZATION = "batch.validate", "batch.line", "batch.embed", "batch.finalize"

PROMPTING_TOPIC = "topic.prompting"
RETRIEVAL_TOPIC = "topic.retrieval"
RERANKING_TOPIC = "topic.reranking"
INDEXING_TOPIC = "topic.indexing"
BATCHING_TOPIC = "topic.batching"
EMBEDDING_TOPIC = "topic.embedding"
_LINE_TOPICS = "topic.batch."
LINES = frozenset({LINE, EMBEDDING})
UNAWAITED = LINES | {BULK}  # the pipelines whose jobs come in such numbers that nobody looks at one while it runs
MAY_INFER_FIRST = frozenset({GENERATE, LINE})  # the pipelines whose jobs may come with their prompts
RESPONDING = frozenset({GENERATE, BULK, RAG, RAG_REQUIRED, LINE})  # the pipelines whose jobs are Responses
SEALED = frozenset({GENERATE, BULK, RAG, RAG_REQUIRED})  # those whose token logs are sealed at once when they end
FIRST_OPERATION = 2  # the stream's `created` is 0 and `queued` is 1; both come from the request

_FIRST = {
    GENERATE: RENDER,
    BULK: RENDER,
    RAG: RETRIEVE,
    RAG_REQUIRED: RETRIEVE,
    INDEXING: INDEX,
    VALIDATION: VALIDATE,
    EMBEDDING: EMBED,
    FINALIZATION: FINALIZE,
}
_NEXT = {RETRIEVE: RERANK, RERANK: RENDER, RENDER: INFER}
_TOPICS = {
    RENDER: PROMPTING_TOPIC,
    RETRIEVE: RETRIEVAL_TOPIC,
    RERANK: RERANKING_TOPIC,
    INDEX: INDEXING_TOPIC,
    VALIDATE: BATCHING_TOPIC,
    EMBED: EMBEDDING_TOPIC,
    FINALIZE: BATCHING_TOPIC,
}
_SEARCH_S = 60.0  # time enough for a model that is loaded first
_LIMITS_S = {
    (RAG, RETRIEVE): _SEARCH_S,
    (RAG, RERANK): 20.0,  # then the job goes on without
    (RAG_REQUIRED, RETRIEVE): _SEARCH_S,
    (RAG_REQUIRED, RERANK): _SEARCH_S,
}


class Step(NamedTuple):
    """A step, and the topic that its workers pull from."""

    name: str
    topic: str


def first_step(pipeline: str, model: str, *, rendered: bool) -> Step:
    """Where a submitted job begins: with the inference, where it comes with its prompt."""
    if pipeline == LINE:
        return Step(INFER, line_topic(model))
    return step_of(INFER, model) if rendered else step_of(_FIRST[pipeline])


def next_step(step: str, model: str) -> Step | None:
    """What comes after a step; None where the job is complete then."""
    return step_of(_NEXT[step], model) if step in _NEXT else None


@lru_cache(maxsize=1000)  # asked for several times a job
def step_of(name: str, model: str = "") -> Step:
    """The step of this name; only the inference of a model has a topic of its own."""
    return Step(name, _TOPICS.get(name) or inference_topic(model))


def limit_s(pipeline: str, step: str) -> float | None:
    """How many seconds all attempts at a job's step may take together; None: any."""
    return _LIMITS_S.get((pipeline, step))


def is_of_lines(topic: str) -> bool:
    """Whether what waits there are lines of batches, and nothing else."""
    return topic == EMBEDDING_TOPIC or topic.startswith(_LINE_TOPICS)


def inference_topic(model: str) -> str:
    """The topic of a model's inference workers."""
    return f"topic.inference.{model}"


def line_topic(model: str) -> str:
    """The topic from which the same workers take the lines of batches, as far as other work leaves them room."""
    return f"{_LINE_TOPICS}{model}"
