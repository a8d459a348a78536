"""The lines of a batch that have ended, in their order: for its files, and for whoever reads while it runs."""

from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

from actors.blobs import Blobs
from actors.journal.protocol import JournalApi
from deployments.batching.results import error_line, output_line
from events.ids import number_of
from pipelines.batch_edits import Batch, LineQuery
from pipelines.jobs import Job, Reference
from pipelines.payloads import Request, Result

_PAGE = 200  # lines that are read together


class Page(NamedTuple):
    """Some lines of the output file, and how many tokens of reasoning are behind them."""

    data: bytes
    reasoning_tokens: int


class Readout:
    """Reads for one process."""

    def __init__(self, journal: JournalApi, blobs: Blobs) -> None:
        self._journal = journal
        self._blobs = blobs

    async def jobs(self, row: Batch) -> AsyncGenerator[list[Job]]:
        """The jobs of all lines, some at once."""
        after = 0
        while jobs := await self._journal.lines(LineQuery(row.id, after, _PAGE)):
            yield jobs
            after = number_of(jobs[-1].id)

    async def outputs(self, row: Batch, jobs: Sequence[Job]) -> Page:
        """What the output file says of those of these jobs that have a result."""
        good = [(job, job.result) for job in jobs if job.result is not None]
        requests = await self._requests(row, [job for job, _ in good])
        results = [Result.model_validate_json(data) for data in await self._get(row, [ref for _, ref in good])]
        lines = [
            output_line(row.endpoint, job, request, result)
            for (job, _), request, result in zip(good, requests, results, strict=True)
        ]
        return Page(b"".join(lines), sum(result.reasoning_tokens for result in results))

    async def errors(self, row: Batch, jobs: Sequence[Job]) -> bytes:
        """What the error file says of those that have ended without one."""
        bad = [job for job in jobs if job.status.terminal and job.result is None]
        requests = await self._requests(row, bad)
        return b"".join(error_line(row, job, request.custom_id) for job, request in zip(bad, requests, strict=True))

    async def _requests(self, row: Batch, jobs: Sequence[Job]) -> list[Request]:
        return [Request.model_validate_json(data) for data in await self._get(row, [job.request for job in jobs])]

    async def _get(self, row: Batch, references: Sequence[Reference]) -> list[bytes]:
        return await self._blobs.get_many([(row.tenant, reference, None) for reference in references])
