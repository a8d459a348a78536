from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Reference(_message.Message):
    __slots__ = ("hash", "size")
    HASH_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    hash: str
    size: int
    def __init__(self, hash: _Optional[str] = ..., size: _Optional[int] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("input_tokens", "output_tokens", "cached_tokens")
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    def __init__(self, input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cached_tokens: _Optional[int] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("code", "message", "kind", "traceback")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TRACEBACK_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    kind: str
    traceback: Reference
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., kind: _Optional[str] = ..., traceback: _Optional[_Union[Reference, _Mapping]] = ...) -> None: ...

class Envelope(_message.Message):
    __slots__ = ("id", "type", "job_id", "step", "attempt", "tenant", "time_us", "traceparent", "schema_version", "job_submitted", "prompt_rendered", "inference_started", "inference_completed", "result_stored", "job_retried", "job_failed", "job_incomplete", "job_cancelled", "job_dead_lettered", "context_retrieved", "context_reranked", "reranking_skipped", "context_released", "file_indexed", "batch_validated", "batch_finalized")
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    JOB_SUBMITTED_FIELD_NUMBER: _ClassVar[int]
    PROMPT_RENDERED_FIELD_NUMBER: _ClassVar[int]
    INFERENCE_STARTED_FIELD_NUMBER: _ClassVar[int]
    INFERENCE_COMPLETED_FIELD_NUMBER: _ClassVar[int]
    RESULT_STORED_FIELD_NUMBER: _ClassVar[int]
    JOB_RETRIED_FIELD_NUMBER: _ClassVar[int]
    JOB_FAILED_FIELD_NUMBER: _ClassVar[int]
    JOB_INCOMPLETE_FIELD_NUMBER: _ClassVar[int]
    JOB_CANCELLED_FIELD_NUMBER: _ClassVar[int]
    JOB_DEAD_LETTERED_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_RETRIEVED_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_RERANKED_FIELD_NUMBER: _ClassVar[int]
    RERANKING_SKIPPED_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_RELEASED_FIELD_NUMBER: _ClassVar[int]
    FILE_INDEXED_FIELD_NUMBER: _ClassVar[int]
    BATCH_VALIDATED_FIELD_NUMBER: _ClassVar[int]
    BATCH_FINALIZED_FIELD_NUMBER: _ClassVar[int]
    id: str
    type: str
    job_id: str
    step: str
    attempt: int
    tenant: str
    time_us: int
    traceparent: str
    schema_version: int
    job_submitted: JobSubmitted
    prompt_rendered: PromptRendered
    inference_started: InferenceStarted
    inference_completed: InferenceCompleted
    result_stored: ResultStored
    job_retried: JobRetried
    job_failed: JobFailed
    job_incomplete: JobIncomplete
    job_cancelled: JobCancelled
    job_dead_lettered: JobDeadLettered
    context_retrieved: ContextRetrieved
    context_reranked: ContextReranked
    reranking_skipped: RerankingSkipped
    context_released: ContextReleased
    file_indexed: FileIndexed
    batch_validated: BatchValidated
    batch_finalized: BatchFinalized
    def __init__(self, id: _Optional[str] = ..., type: _Optional[str] = ..., job_id: _Optional[str] = ..., step: _Optional[str] = ..., attempt: _Optional[int] = ..., tenant: _Optional[str] = ..., time_us: _Optional[int] = ..., traceparent: _Optional[str] = ..., schema_version: _Optional[int] = ..., job_submitted: _Optional[_Union[JobSubmitted, _Mapping]] = ..., prompt_rendered: _Optional[_Union[PromptRendered, _Mapping]] = ..., inference_started: _Optional[_Union[InferenceStarted, _Mapping]] = ..., inference_completed: _Optional[_Union[InferenceCompleted, _Mapping]] = ..., result_stored: _Optional[_Union[ResultStored, _Mapping]] = ..., job_retried: _Optional[_Union[JobRetried, _Mapping]] = ..., job_failed: _Optional[_Union[JobFailed, _Mapping]] = ..., job_incomplete: _Optional[_Union[JobIncomplete, _Mapping]] = ..., job_cancelled: _Optional[_Union[JobCancelled, _Mapping]] = ..., job_dead_lettered: _Optional[_Union[JobDeadLettered, _Mapping]] = ..., context_retrieved: _Optional[_Union[ContextRetrieved, _Mapping]] = ..., context_reranked: _Optional[_Union[ContextReranked, _Mapping]] = ..., reranking_skipped: _Optional[_Union[RerankingSkipped, _Mapping]] = ..., context_released: _Optional[_Union[ContextReleased, _Mapping]] = ..., file_indexed: _Optional[_Union[FileIndexed, _Mapping]] = ..., batch_validated: _Optional[_Union[BatchValidated, _Mapping]] = ..., batch_finalized: _Optional[_Union[BatchFinalized, _Mapping]] = ...) -> None: ...

class JobSubmitted(_message.Message):
    __slots__ = ("pipeline", "model", "request", "deadline_us", "priority", "redrive_of", "context")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_US_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    REDRIVE_OF_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    pipeline: str
    model: str
    request: Reference
    deadline_us: int
    priority: int
    redrive_of: str
    context: _containers.RepeatedCompositeFieldContainer[Reference]
    def __init__(self, pipeline: _Optional[str] = ..., model: _Optional[str] = ..., request: _Optional[_Union[Reference, _Mapping]] = ..., deadline_us: _Optional[int] = ..., priority: _Optional[int] = ..., redrive_of: _Optional[str] = ..., context: _Optional[_Iterable[_Union[Reference, _Mapping]]] = ...) -> None: ...

class PromptRendered(_message.Message):
    __slots__ = ("prompt", "input_tokens", "worker", "waited_us")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    WAITED_US_FIELD_NUMBER: _ClassVar[int]
    prompt: Reference
    input_tokens: int
    worker: str
    waited_us: int
    def __init__(self, prompt: _Optional[_Union[Reference, _Mapping]] = ..., input_tokens: _Optional[int] = ..., worker: _Optional[str] = ..., waited_us: _Optional[int] = ...) -> None: ...

class ContextRetrieved(_message.Message):
    __slots__ = ("context", "passages", "worker", "waited_us")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    PASSAGES_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    WAITED_US_FIELD_NUMBER: _ClassVar[int]
    context: Reference
    passages: int
    worker: str
    waited_us: int
    def __init__(self, context: _Optional[_Union[Reference, _Mapping]] = ..., passages: _Optional[int] = ..., worker: _Optional[str] = ..., waited_us: _Optional[int] = ...) -> None: ...

class ContextReranked(_message.Message):
    __slots__ = ("context", "passages", "worker", "waited_us")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    PASSAGES_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    WAITED_US_FIELD_NUMBER: _ClassVar[int]
    context: Reference
    passages: int
    worker: str
    waited_us: int
    def __init__(self, context: _Optional[_Union[Reference, _Mapping]] = ..., passages: _Optional[int] = ..., worker: _Optional[str] = ..., waited_us: _Optional[int] = ...) -> None: ...

class RerankingSkipped(_message.Message):
    __slots__ = ("error", "worker")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    error: Error
    worker: str
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., worker: _Optional[str] = ...) -> None: ...

class ContextReleased(_message.Message):
    __slots__ = ("context",)
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    context: Reference
    def __init__(self, context: _Optional[_Union[Reference, _Mapping]] = ...) -> None: ...

class FileIndexed(_message.Message):
    __slots__ = ("chunks", "usage_bytes", "tokens", "worker")
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    USAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    chunks: int
    usage_bytes: int
    tokens: int
    worker: str
    def __init__(self, chunks: _Optional[int] = ..., usage_bytes: _Optional[int] = ..., tokens: _Optional[int] = ..., worker: _Optional[str] = ...) -> None: ...

class BatchValidated(_message.Message):
    __slots__ = ("lines", "worker")
    LINES_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    lines: int
    worker: str
    def __init__(self, lines: _Optional[int] = ..., worker: _Optional[str] = ...) -> None: ...

class BatchFinalized(_message.Message):
    __slots__ = ("output_bytes", "error_bytes", "reasoning_tokens", "worker")
    OUTPUT_BYTES_FIELD_NUMBER: _ClassVar[int]
    ERROR_BYTES_FIELD_NUMBER: _ClassVar[int]
    REASONING_TOKENS_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    output_bytes: int
    error_bytes: int
    reasoning_tokens: int
    worker: str
    def __init__(self, output_bytes: _Optional[int] = ..., error_bytes: _Optional[int] = ..., reasoning_tokens: _Optional[int] = ..., worker: _Optional[str] = ...) -> None: ...

class InferenceStarted(_message.Message):
    __slots__ = ("worker", "waited_us")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    WAITED_US_FIELD_NUMBER: _ClassVar[int]
    worker: str
    waited_us: int
    def __init__(self, worker: _Optional[str] = ..., waited_us: _Optional[int] = ...) -> None: ...

class InferenceCompleted(_message.Message):
    __slots__ = ("result", "usage", "finish_reason", "end", "worker")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    result: Reference
    usage: Usage
    finish_reason: str
    end: int
    worker: str
    def __init__(self, result: _Optional[_Union[Reference, _Mapping]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., finish_reason: _Optional[str] = ..., end: _Optional[int] = ..., worker: _Optional[str] = ...) -> None: ...

class ResultStored(_message.Message):
    __slots__ = ("result", "usage")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    result: Reference
    usage: Usage
    def __init__(self, result: _Optional[_Union[Reference, _Mapping]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...

class JobRetried(_message.Message):
    __slots__ = ("error", "ready_us", "worker")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    READY_US_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    error: Error
    ready_us: int
    worker: str
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., ready_us: _Optional[int] = ..., worker: _Optional[str] = ...) -> None: ...

class JobFailed(_message.Message):
    __slots__ = ("error", "worker")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    error: Error
    worker: str
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., worker: _Optional[str] = ...) -> None: ...

class JobIncomplete(_message.Message):
    __slots__ = ("result", "usage", "reason")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    result: Reference
    usage: Usage
    reason: str
    def __init__(self, result: _Optional[_Union[Reference, _Mapping]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class JobCancelled(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class JobDeadLettered(_message.Message):
    __slots__ = ("error", "worker")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    error: Error
    worker: str
    def __init__(self, error: _Optional[_Union[Error, _Mapping]] = ..., worker: _Optional[str] = ...) -> None: ...
