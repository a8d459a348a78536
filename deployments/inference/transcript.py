"""A job's tokens, as they come, into chunks of its log.

Invariants:
- The last chunk carries the finish reason and closes the item, so a log is finished as a whole or not at all.
- Nobody follows a line of a batch: its log is written every CHECKPOINT tokens, for whoever must go on with it, and not
  at all for a line that is done before.
- What is logged is all that the logged ids say, so that whoever pushes them stands where the log ends.
"""

from dataclasses import dataclass

from actors.token_log.writer import TokenLogWriter
from deployments.engines.protocol import Engine, Tokens
from deployments.inference.interpreter import Interpreter, merged
from events.v1.tokens_pb2 import Operation
from pipelines.composer import Composer
from pipelines.jobs import ClaimedJob, Status, Usage
from pipelines.operations import Item, LogState, Piece
from pipelines.payloads import Retrieval
from pipelines.steps import FIRST_OPERATION, LINE

STOP = "stop"
CHECKPOINT = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a finished log amounts to. `end` is its last sequence number."""

    items: list[Item]
    token_ids: list[int]
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    usage: Usage | None = None  # where the engine counts for itself
    finish_reason: str
    end: int
    engine_fingerprint: str

    @property
    def status(self) -> Status:
        """Incomplete where the limit, or a filter, cut it short."""
        return status_of(self.finish_reason)


class Transcript:
    """Of one attempt; it goes on where the log's state ends."""

    def __init__(
        self,
        claim: ClaimedJob,
        state: LogState,
        *,
        engine: Engine,
        interpreter: Interpreter,
        writer: TokenLogWriter,
        retrieval: Retrieval | None = None,
    ) -> None:
        self._claim = claim
        self._fingerprint = engine.fingerprint
        self._writer = writer
        self._retrieval = retrieval
        self._composer = Composer(claim.job_id, state, retrieval.sources if retrieval else ())
        self._interpreter = interpreter
        self._interpreter.push(state.token_ids)
        self._ids = list(state.token_ids)
        self._pieces: list[Piece] = []  # not yet written, and the ids from this one on
        self._written = len(self._ids)
        self._interval = CHECKPOINT if claim.pipeline == LINE else 0
        self._pinned = bool(state.engine_fingerprint)
        self._cached_tokens = 0
        self._output: Output | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing more is wanted of the engine."""
        return self._output is not None

    @property
    def shown(self) -> bool:
        """Whether readers have seen the beginning of an item."""
        return self._composer.open is not None or bool(self._composer.items)

    def add(self, tokens: Tokens) -> None:
        """What the engine has just made."""
        before = self._interpreter.read
        pieces = [*tokens.pieces, *self._interpreter.push(tokens.ids, tokens.logprobs)] if tokens.ids else tokens.pieces
        self._ids += tokens.ids[: self._interpreter.read - before]
        self._cached_tokens = max(self._cached_tokens, tokens.cached_tokens)
        reason = STOP if self._interpreter.stopped else tokens.finish_reason
        self._pieces += pieces
        if reason is not None:
            self._finish(reason, tokens.usage)
        elif self._interpreter.settled and len(self._ids) - self._written >= self._interval:
            self._write(self._compose())

    def output(self) -> Output:
        """What has come out. Raises RuntimeError where the engine ended without a finish reason."""
        if self._output is None:
            raise RuntimeError("the engine ended without a finish reason")
        return self._output

    def _compose(self) -> list[Operation]:
        operations = self._composer.begin()
        if self._retrieval is not None:
            operations += self._composer.show_search(found_text(self._retrieval))
            self._retrieval = None
        for piece in merged(self._pieces):
            operations += self._composer.say(piece)
        self._pieces = []
        return operations

    def _finish(self, reason: str, usage: Usage | None) -> None:
        self._pieces += self._interpreter.flush()
        if not self._pieces and self._composer.open is None:  # nothing was said at all, which is a message too
            self._pieces.append(Piece(text=""))
        operations = [*self._compose(), *self._composer.close(status_of(reason))]
        logged = self._pinned or not self._interval
        if logged:
            self._write(operations, reason)
        self._output = Output(
            items=self._composer.items,
            token_ids=self._ids,
            reasoning_tokens=self._interpreter.reasoning_tokens,
            cached_tokens=self._cached_tokens,
            usage=usage,
            finish_reason=reason,
            end=self._composer.next_sequence - 1 if logged else FIRST_OPERATION - 1,
            engine_fingerprint=self._fingerprint,
        )

    def _write(self, operations: list[Operation], reason: str = "") -> None:
        if not operations:
            return
        self._writer.write(
            self._claim.job_id,
            self._claim.fence,
            operations,
            self._ids[self._written :],
            finish_reason=reason,
            engine_fingerprint="" if self._pinned else self._fingerprint,
        )
        self._written, self._pinned = len(self._ids), True


def logged_output(state: LogState, interpreter: Interpreter | None) -> Output:
    """What a log that is finished amounts to; the interpreter is there only to count its reasoning again."""
    if interpreter is not None:
        interpreter.push(state.token_ids)
    return Output(
        items=list(state.items),
        token_ids=list(state.token_ids),
        reasoning_tokens=interpreter.reasoning_tokens if interpreter else 0,
        finish_reason=state.finish_reason,
        end=state.next_sequence - 1,
        engine_fingerprint=state.engine_fingerprint,
    )


def found_text(retrieval: Retrieval) -> str:
    """What the log has of a search."""
    return retrieval.model_dump_json(include={"queries", "results"})


def status_of(finish_reason: str) -> Status:
    """What a job is that ended so."""
    return Status.INCOMPLETE if finish_reason in {"length", "content_filter"} else Status.COMPLETED
