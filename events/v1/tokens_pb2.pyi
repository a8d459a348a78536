from events.v1 import events_pb2 as _events_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Operation(_message.Message):
    __slots__ = ("sequence", "count", "in_progress", "open_item", "delta", "close_item", "annotate")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    IN_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    OPEN_ITEM_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    CLOSE_ITEM_FIELD_NUMBER: _ClassVar[int]
    ANNOTATE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    count: int
    in_progress: InProgress
    open_item: OpenItem
    delta: Delta
    close_item: CloseItem
    annotate: Annotate
    def __init__(self, sequence: _Optional[int] = ..., count: _Optional[int] = ..., in_progress: _Optional[_Union[InProgress, _Mapping]] = ..., open_item: _Optional[_Union[OpenItem, _Mapping]] = ..., delta: _Optional[_Union[Delta, _Mapping]] = ..., close_item: _Optional[_Union[CloseItem, _Mapping]] = ..., annotate: _Optional[_Union[Annotate, _Mapping]] = ...) -> None: ...

class InProgress(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class OpenItem(_message.Message):
    __slots__ = ("index", "item_id", "kind", "name", "call_id")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    index: int
    item_id: str
    kind: str
    name: str
    call_id: str
    def __init__(self, index: _Optional[int] = ..., item_id: _Optional[str] = ..., kind: _Optional[str] = ..., name: _Optional[str] = ..., call_id: _Optional[str] = ...) -> None: ...

class Delta(_message.Message):
    __slots__ = ("index", "text", "logprobs")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    index: int
    text: str
    logprobs: _containers.RepeatedCompositeFieldContainer[Logprob]
    def __init__(self, index: _Optional[int] = ..., text: _Optional[str] = ..., logprobs: _Optional[_Iterable[_Union[Logprob, _Mapping]]] = ...) -> None: ...

class CloseItem(_message.Message):
    __slots__ = ("index", "item_id", "status", "text", "kind", "name", "call_id", "logprobs", "citations")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    CITATIONS_FIELD_NUMBER: _ClassVar[int]
    index: int
    item_id: str
    status: str
    text: str
    kind: str
    name: str
    call_id: str
    logprobs: _containers.RepeatedCompositeFieldContainer[Logprob]
    citations: _containers.RepeatedCompositeFieldContainer[Citation]
    def __init__(self, index: _Optional[int] = ..., item_id: _Optional[str] = ..., status: _Optional[str] = ..., text: _Optional[str] = ..., kind: _Optional[str] = ..., name: _Optional[str] = ..., call_id: _Optional[str] = ..., logprobs: _Optional[_Iterable[_Union[Logprob, _Mapping]]] = ..., citations: _Optional[_Iterable[_Union[Citation, _Mapping]]] = ...) -> None: ...

class Annotate(_message.Message):
    __slots__ = ("index", "number", "citation")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CITATION_FIELD_NUMBER: _ClassVar[int]
    index: int
    number: int
    citation: Citation
    def __init__(self, index: _Optional[int] = ..., number: _Optional[int] = ..., citation: _Optional[_Union[Citation, _Mapping]] = ...) -> None: ...

class Citation(_message.Message):
    __slots__ = ("file_id", "filename", "position", "start", "end")
    FILE_ID_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    file_id: str
    filename: str
    position: int
    start: int
    end: int
    def __init__(self, file_id: _Optional[str] = ..., filename: _Optional[str] = ..., position: _Optional[int] = ..., start: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class Logprob(_message.Message):
    __slots__ = ("token", "utf8", "logprob", "top")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    UTF8_FIELD_NUMBER: _ClassVar[int]
    LOGPROB_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    token: str
    utf8: bytes
    logprob: float
    top: _containers.RepeatedCompositeFieldContainer[Logprob]
    def __init__(self, token: _Optional[str] = ..., utf8: _Optional[bytes] = ..., logprob: _Optional[float] = ..., top: _Optional[_Iterable[_Union[Logprob, _Mapping]]] = ...) -> None: ...

class Chunk(_message.Message):
    __slots__ = ("operations", "token_ids", "finish_reason", "engine_fingerprint")
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    operations: _containers.RepeatedCompositeFieldContainer[Operation]
    token_ids: _containers.RepeatedScalarFieldContainer[int]
    finish_reason: str
    engine_fingerprint: str
    def __init__(self, operations: _Optional[_Iterable[_Union[Operation, _Mapping]]] = ..., token_ids: _Optional[_Iterable[int]] = ..., finish_reason: _Optional[str] = ..., engine_fingerprint: _Optional[str] = ...) -> None: ...

class Seal(_message.Message):
    __slots__ = ("end", "closing", "terminal")
    END_FIELD_NUMBER: _ClassVar[int]
    CLOSING_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_FIELD_NUMBER: _ClassVar[int]
    end: int
    closing: _containers.RepeatedCompositeFieldContainer[Operation]
    terminal: Terminal
    def __init__(self, end: _Optional[int] = ..., closing: _Optional[_Iterable[_Union[Operation, _Mapping]]] = ..., terminal: _Optional[_Union[Terminal, _Mapping]] = ...) -> None: ...

class Terminal(_message.Message):
    __slots__ = ("sequence", "status", "error")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    status: str
    error: _events_pb2.Error
    def __init__(self, sequence: _Optional[int] = ..., status: _Optional[str] = ..., error: _Optional[_Union[_events_pb2.Error, _Mapping]] = ...) -> None: ...
