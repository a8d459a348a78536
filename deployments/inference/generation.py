"""One job's way through the engine: tokens in, text out, every step of it in the token log.

Invariants:
- A log that has a finish reason is completed without the engine. Any other goes on after its last token id, and
  only on the weights and the tokenizer that it began with.
"""

from contextlib import aclosing

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


class Generator:
    """Runs generations on one engine, into one token log."""

    def __init__(self, *, engine: Engine, interpreters: Interpreters, writer: TokenLogWriter, ports: Ports) -> None:
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
            claim, state, engine=self._engine, interpreter=self._interpreters.make(prompt), writer=self._writer
        )
        pace = Pace(claim, self._ports)
        async with aclosing(self._engine.generate(_generation(claim, prompt, state))) as batches:
            async for tokens in batches:
                pace.count(len(tokens.ids))
                transcript.add(tokens)
                if transcript.finished:
                    break  # at a stop string the engine would go on
        pace.end()
        return transcript.output()

    def _check(self, state: LogState) -> None:
        if (state.token_ids or state.items) and not (self._engine.can_continue and self._made(state)):
            raise RejectError(
                "The generation began on another engine, and this one cannot go on with it.", code="engine_changed"
            )

    def _made(self, state: LogState) -> bool:
        """Whether an engine like this one made the log."""
        return state.engine_fingerprint == self._engine.fingerprint


def _generation(claim: ClaimedJob, prompt: Prompt, state: LogState) -> Generation:
    return Generation(
        request_id=f"{claim.job_id}-{claim.fence}",
        prompt=prompt,
        attempt=claim.attempt,
        logged_ids=list(state.token_ids),
        traceparent=claim.traceparent,
    )
