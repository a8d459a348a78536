"""One job's way through the engine: tokens in, text out, every step of it in the token log.

Invariants:
- The last chunk carries the finish reason and closes the item, so a log is finished as a whole or not at all.
- A log that has a finish reason is completed without the engine. Any other goes on after its last token id, and
  only on the weights and the tokenizer that it began with.
"""

from contextlib import aclosing
from dataclasses import dataclass

from actors.token_log.writer import TokenLogWriter
from deployments.engines.protocol import Engine, Generation, Tokens
from deployments.inference.detokenizer import Detokenizer
from deployments.inference.pace import Pace
from pipelines.errors import RejectError
from pipelines.jobs import ClaimedJob, Status
from pipelines.operations import Composer, Item, LogState, Piece
from pipelines.payloads import Prompt
from pipelines.ports import Ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a finished log amounts to. `end` is its last sequence number."""

    items: list[Item]
    token_ids: list[int]
    finish_reason: str
    end: int
    engine_fingerprint: str

    @property
    def status(self) -> Status:
        """Incomplete where the limit cut it short."""
        return _status(self.finish_reason)


class Generator:
    """Runs generations on one engine, into one token log."""

    def __init__(self, *, engine: Engine, writer: TokenLogWriter, ports: Ports) -> None:
        self._engine = engine
        self._writer = writer
        self._ports = ports

    async def run(self, claim: ClaimedJob, prompt: Prompt, state: LogState) -> Output:
        """Generate what the log lacks; it is handed to the writer, not yet on disk, when this returns.

        Raises RejectError where this engine cannot go on with the log, and what the engine raises.
        """
        if state.finish_reason:
            return _finished(state)
        self._check(state)
        transcript = _Transcript(claim, state, self._engine, self._writer)
        pace = Pace(claim, self._ports)
        async with aclosing(self._engine.generate(_generation(claim, prompt, state))) as batches:
            async for tokens in batches:
                pace.count(len(tokens.ids))
                transcript.add(tokens)
        pace.end()
        return transcript.output()

    def _check(self, state: LogState) -> None:
        same = self._engine.can_continue and state.engine_fingerprint == self._engine.fingerprint
        if state.token_ids and not same:
            raise RejectError(
                "The generation began on another engine, and this one cannot go on with it.", code="engine_changed"
            )


class _Transcript:
    """Turns a job's tokens into chunks of its log."""

    def __init__(self, claim: ClaimedJob, state: LogState, engine: Engine, writer: TokenLogWriter) -> None:
        self._claim = claim
        self._fingerprint = engine.fingerprint
        self._writer = writer
        self._composer = Composer(claim.job_id, state)
        self._detokenizer = Detokenizer(engine.decode)
        self._detokenizer.push(state.token_ids)
        self._ids = list(state.token_ids)
        self._output: Output | None = None

    def add(self, tokens: Tokens) -> None:
        first = "" if self._ids else self._fingerprint
        self._ids += tokens.ids
        operations = self._composer.begin()
        text = self._detokenizer.push(tokens.ids)
        if tokens.finish_reason is None:
            operations += self._composer.say(Piece(text=text))
        else:
            operations += self._composer.say(Piece(text=text + self._detokenizer.flush()))
            operations += self._composer.close(_status(tokens.finish_reason))
            self._finish(tokens.finish_reason)
        self._writer.write(
            self._claim.job_id,
            self._claim.fence,
            operations,
            tokens.ids,
            finish_reason=tokens.finish_reason or "",
            engine_fingerprint=first,
        )

    def output(self) -> Output:
        if self._output is None:
            raise RuntimeError("the engine ended without a finish reason")
        return self._output

    def _finish(self, reason: str) -> None:
        self._output = Output(
            items=self._composer.items,
            token_ids=self._ids,
            finish_reason=reason,
            end=self._composer.next_sequence - 1,
            engine_fingerprint=self._fingerprint,
        )


def _finished(state: LogState) -> Output:
    return Output(
        items=list(state.items),
        token_ids=list(state.token_ids),
        finish_reason=state.finish_reason,
        end=state.next_sequence - 1,
        engine_fingerprint=state.engine_fingerprint,
    )


def _status(finish_reason: str) -> Status:
    return Status.INCOMPLETE if finish_reason == "length" else Status.COMPLETED


def _generation(claim: ClaimedJob, prompt: Prompt, state: LogState) -> Generation:
    return Generation(
        request_id=f"{claim.job_id}-{claim.fence}",
        prompt=prompt,
        attempt=claim.attempt,
        logged_ids=list(state.token_ids),
        traceparent=claim.traceparent,
    )
