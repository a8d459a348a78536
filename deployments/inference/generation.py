"""One job's way through the engine: tokens in, text out, every step of it in the token log.

Invariants:
- A log that has a finish reason is completed without the engine. Any other goes on after its last token id, and
  only on the weights and the tokenizer that it began with.
- Where the engine cannot go on in the middle, a job begins again only while it has shown nothing, and fails otherwise.
"""

from collections.abc import Callable
from contextlib import aclosing
from functools import partial

from actors.token_log.writer import TokenLogWriter
from deployments.engines.protocol import Engine, Generation
from deployments.inference.language import Interpreters
from deployments.inference.pace import Pace
from deployments.inference.transcript import Output, Transcript, logged_output
from pipelines.errors import RejectError
from pipelines.jobs import ClaimedJob
from pipelines.operations import LogState
from pipelines.payloads import Prompt
from pipelines.ports import Ports
from pipelines.steps import UNAWAITED


class Generator:
    """Runs generations on one engine, into one token log. `on_first` hears of each claim's first token."""

    def __init__(
        self,
        *,
        engine: Engine,
        interpreters: Interpreters,
        writer: TokenLogWriter,
        ports: Ports,
        on_first: Callable[[ClaimedJob], None],
    ) -> None:
        self._on_first = on_first
        self._engine = engine
        self._interpreters = interpreters
        self._writer = writer
        self._ports = ports

    async def run(self, claim: ClaimedJob, prompt: Prompt, state: LogState) -> Output:
        """Generate what the log lacks; it is handed to the writer, not yet on disk, when this returns.

        Raises RejectError where this engine cannot go on with the log, and what the engine raises.
        """
        if state.finish_reason:
            return logged_output(state, self._interpreters.make(prompt) if self._made(state) else None)
        self._check(state)
        transcript = Transcript(
            claim,
            state,
            engine=self._engine,
            interpreter=self._interpreters.make(prompt),
            writer=self._writer,
            retrieval=prompt.retrieval,
        )
        try:
            await self._fill(transcript, _generation(claim, prompt, state), self._pace(claim))
        except Exception as error:
            if self._engine.can_continue or not transcript.shown or isinstance(error, RejectError):
                raise
            raise _broken_off(str(error) or type(error).__name__) from error
        return transcript.output()

    async def _fill(self, transcript: Transcript, generation: Generation, pace: Pace) -> None:
        async with aclosing(self._engine.generate(generation)) as batches:
            async for tokens in batches:
                pace.count(len(tokens.ids) + len(tokens.pieces))  # a piece is mostly one token
                transcript.add(tokens)
                if transcript.finished:
                    break  # at a stop string the engine would go on
        pace.end()

    def _pace(self, claim: ClaimedJob) -> Pace:
        about: dict[str, str | int] = {"job": claim.job_id, "attempt": claim.attempt}
        return Pace(
            model=claim.model,
            since=claim.claimed_at,
            traceparent=claim.traceparent,
            about=about,
            ports=self._ports,
            awaited=claim.pipeline not in UNAWAITED,
            on_first=partial(self._on_first, claim),
        )

    def _check(self, state: LogState) -> None:
        if not state.token_ids and not state.items:  # nothing was shown
            return
        if not self._made(state):
            raise RejectError(
                "The generation began on another engine, and this one cannot go on with it.", code="engine_changed"
            )
        if not self._engine.can_continue:
            raise _broken_off("its worker was lost")

    def _made(self, state: LogState) -> bool:
        """Whether an engine like this one made the log."""
        return state.engine_fingerprint == self._engine.fingerprint


def _broken_off(reason: str) -> RejectError:
    return RejectError(
        f"The generation broke off, and its engine cannot go on in the middle: {reason}", code="engine_interrupted"
    )


def _generation(claim: ClaimedJob, prompt: Prompt, state: LogState) -> Generation:
    return Generation(
        request_id=f"{claim.job_id}-{claim.fence}",
        prompt=prompt,
        attempt=claim.attempt,
        logged_ids=list(state.token_ids),
        traceparent=claim.traceparent,
    )
