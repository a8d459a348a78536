"""What a generation starts from: its prompt, and what earlier workers have logged. One call each for a whole batch."""

from collections.abc import Sequence
from typing import NamedTuple

from actors.blobs import Blobs
from actors.token_log.protocol import Logged, TokenLogApi
from pipelines.errors import StaleFenceError
from pipelines.jobs import ClaimedJob
from pipelines.operations import EMPTY, LogState, replay
from pipelines.payloads import Prompt
from pipelines.steps import MAY_INFER_FIRST


class Work(NamedTuple):
    """A claim with all that its generation needs."""

    prompt: Prompt
    state: LogState


class Intake:
    """Fetches for one worker."""

    def __init__(self, *, blobs: Blobs, token_log: TokenLogApi) -> None:
        self._blobs = blobs
        self._token_log = token_log

    async def fetch(self, claims: Sequence[ClaimedJob]) -> list[Work | Exception]:
        """One answer per claim, in order; StaleFenceError where another worker or the job's end came first."""
        try:
            prompts = await self._prompts(claims)
            states = await self._states(claims)
        except Exception as error:  # noqa: BLE001 - handed to the worker, which reports it
            if len(claims) == 1:
                return [error]
            # One bad payload must not fail the others.
            return [answer for claim in claims for answer in await self.fetch([claim])]
        return [
            StaleFenceError(claim.job_id) if state is None else Work(prompt, state)
            for claim, prompt, state in zip(claims, prompts, states, strict=True)
        ]

    async def _prompts(self, claims: Sequence[ClaimedJob]) -> list[Prompt]:
        references = [(claim, claim.rendered) for claim in claims if claim.rendered is not None]
        data = await self._blobs.get_many(
            [(claim.tenant, reference, claim.payloads.get(reference)) for claim, reference in references]
        )
        return [Prompt.model_validate_json(item) for item in data]

    async def _states(self, claims: Sequence[ClaimedJob]) -> list[LogState | None]:
        again = [(claim.job_id, claim.fence) for claim in claims if _may_have_log(claim)]
        if not again:
            return [EMPTY] * len(claims)
        logs = dict(zip(again, await self._token_log.open(again), strict=True))
        return [_state(logs[claim.job_id, claim.fence]) if _may_have_log(claim) else EMPTY for claim in claims]


def _may_have_log(claim: ClaimedJob) -> bool:
    """Nobody can have written before the first claim to infer, which is the first of all where a prompt came along."""
    return claim.fence > (1 if claim.pipeline in MAY_INFER_FIRST else 2)


def _state(logged: Logged | None) -> LogState | None:
    return None if logged is None or logged.seal is not None else replay(logged.chunks)
