"""Lines of batches on Embeddings: many are claimed together, and read together by the encoder that each names.

Invariant: one bad line fails alone; the others of its claim have their vectors.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence

from actors.blobs import Blobs
from actors.journal.protocol import JournalApi
from deployments.ingestion.embedding_body import MOST_INPUTS
from deployments.ingestion.embedding_service import shortened
from deployments.ingestion.embeddings import in_base64
from deployments.knowledge.encoding import EncoderApi, Vectors
from deployments.reporting import report
from pipelines.commands import Embedded, Finish, Outcome
from pipelines.errors import HeliographError, TransientError, outcome_of
from pipelines.jobs import ClaimedJob, Usage
from pipelines.payloads import EmbeddingRequest, EmbeddingResult
from pipelines.ports import Ports

log = logging.getLogger("heliograph")
SLOTS = 256  # lines that are claimed together
LIMIT_S = 600.0  # for their vectors
IDLE_S = 60.0


class EmbeddingLines:
    """Does the claims of the embedding topic. `encoders` are by the name of the model."""

    def __init__(self, encoders: Mapping[str, EncoderApi], *, journal: JournalApi, blobs: Blobs, ports: Ports) -> None:
        self._encoders = encoders
        self._journal = journal
        self._blobs = blobs
        self._ports = ports

    def free_slots(self) -> int:
        """All of them: a claim is over when `handle` returns. None where there is no encoder."""
        return SLOTS if self._encoders else 0

    async def wait_for_slot(self) -> None:
        """Returns after a while: without an encoder there never is one."""
        await self._ports.sleep(IDLE_S)

    async def handle(self, claims: Sequence[ClaimedJob]) -> None:
        """Make and report the vectors."""
        outcomes: dict[str, Outcome] = {}
        for model in dict.fromkeys(claim.model for claim in claims):
            group = [claim for claim in claims if claim.model == model]
            outcomes |= zip([claim.job_id for claim in group], await self._outcomes(model, group), strict=True)
        finishes = [Finish(job_id=claim.job_id, fence=claim.fence, outcome=outcomes[claim.job_id]) for claim in claims]
        await report(self._journal.finish, finishes, ports=self._ports)

    async def _outcomes(self, model: str, claims: Sequence[ClaimedJob]) -> list[Outcome]:
        """Of claims for one model; where that cannot be done together, each is tried alone."""
        try:
            results = await self._results(model, claims)
            payloads = await self._blobs.pack_many(
                [(claim.tenant, result.encode()) for claim, result in zip(claims, results, strict=True)]
            )
        except Exception as error:
            if len(claims) > 1 and not isinstance(error, TransientError):
                return [outcome for claim in claims for outcome in await self._outcomes(model, [claim])]
            expected = isinstance(error, HeliographError)
            about = {"jobs": [claim.job_id for claim in claims], "error": str(error)}
            log.warning("embedding failed", exc_info=None if expected else error, extra=about)
            return [outcome_of(error)] * len(claims)
        return [
            Embedded(result=payload, usage=Usage(input_tokens=result.tokens))
            for payload, result in zip(payloads, results, strict=True)
        ]

    async def _results(self, model: str, claims: Sequence[ClaimedJob]) -> list[EmbeddingResult]:
        wanted = [(claim.tenant, claim.request, claim.payloads.get(claim.request)) for claim in claims]
        requests = [EmbeddingRequest.model_validate_json(data) for data in await self._blobs.get_many(wanted)]
        return [result for group in _groups(requests) for result in await self._embedded(model, group)]

    async def _embedded(self, model: str, requests: Sequence[EmbeddingRequest]) -> list[EmbeddingResult]:
        texts = [text for request in requests for text in request.inputs]
        try:
            async with asyncio.timeout(LIMIT_S):
                found = await self._encoders[model].embed(texts)
        except TimeoutError as error:
            raise TransientError(f"{model} has not read {len(texts)} texts within {LIMIT_S:.0f} s") from error
        results, start = [], 0
        for request in requests:
            end = start + len(request.inputs)
            results.append(_result(request, found.vectors[start:end], sum(found.tokens[start:end])))
            start = end
        return results


def _groups(requests: Sequence[EmbeddingRequest]) -> Iterator[list[EmbeddingRequest]]:
    """Neighbours that have so many inputs together, or one that has more alone."""
    group: list[EmbeddingRequest] = []
    for request in requests:
        if group and sum(len(each.inputs) for each in [*group, request]) > MOST_INPUTS:
            yield group
            group = []
        group.append(request)
    yield group


def _result(request: EmbeddingRequest, vectors: Vectors, tokens: int) -> EmbeddingResult:
    cut = vectors if request.dimensions is None else shortened(vectors, request.dimensions)
    return EmbeddingResult(vectors=in_base64(cut), tokens=tokens)
