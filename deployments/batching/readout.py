"""The lines of a batch that have ended, in their order: for its files, and for whoever reads while it runs."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import NamedTuple

from actors.blobs import Blobs
from actors.journal.protocol import JournalApi
from deployments.batching.results import error_line, output_line
from events.ids import number_of
from pipelines.batch_edits import Batch, LineQuery
from pipelines.jobs import Job, Reference

PAGE = 500  # lines that are fetched together; the next ones are on their way while these are written down
_TURN = 50  # lines that are written down in one go


class Part(NamedTuple):
    """Some lines of a file: of errors, how many jobs they were chosen from; of results, their tokens of reasoning."""

    data: bytes
    jobs: int = 0
    reasoning_tokens: int = 0


class _Page(NamedTuple):
    """Jobs in the order of their lines, and those that belong into the file with their payloads."""

    jobs: list[Job]
    chosen: list[tuple[Job, bytes, bytes]]


class Readout:
    """Reads for one process."""

    def __init__(self, journal: JournalApi, blobs: Blobs, *, page: int = PAGE) -> None:
        self._journal = journal
        self._blobs = blobs
        self._lines = page

    async def outputs(self, row: Batch) -> AsyncGenerator[Part]:
        """The output file, as far as there is one."""
        async for page in self._pages(row, _has_result):
            for start in range(0, len(page.chosen), _TURN):
                yield _outputs(row, page.chosen[start : start + _TURN])

    async def errors(self, row: Batch) -> AsyncGenerator[Part]:
        """The error file, as far as its lines have become jobs."""
        async for page in self._pages(row, _has_failed):
            lines = [error_line(row, job, request) for job, request, _ in page.chosen]
            yield Part(b"".join(lines), len(page.jobs))

    async def _pages(self, row: Batch, choose: Callable[[Job], bool]) -> AsyncGenerator[_Page]:
        coming = asyncio.create_task(self._page(row, 0, choose), name="lines")
        try:
            while (page := await coming).jobs:
                coming = asyncio.create_task(self._page(row, number_of(page.jobs[-1].id), choose), name="lines")
                yield page
        finally:
            coming.cancel()

    async def _page(self, row: Batch, after: int, choose: Callable[[Job], bool]) -> _Page:
        jobs = await self._journal.lines(LineQuery(row.id, after, self._lines))
        chosen = [job for job in jobs if choose(job)]
        requests = await self._get(row, [job.request for job in chosen])
        results = await self._get(row, [job.result for job in chosen if job.result is not None])
        return _Page(jobs, list(zip(chosen, requests, results or [b""] * len(chosen), strict=True)))

    async def _get(self, row: Batch, references: Sequence[Reference]) -> list[bytes]:
        return await self._blobs.get_many([(row.tenant, reference, None) for reference in references])


def _has_result(job: Job) -> bool:
    return job.result is not None


def _has_failed(job: Job) -> bool:
    return job.status.terminal and job.result is None


def _outputs(row: Batch, chosen: Sequence[tuple[Job, bytes, bytes]]) -> Part:
    told = [output_line(row.endpoint, job, request, result) for job, request, result in chosen]
    return Part(b"".join([each.line for each in told]), reasoning_tokens=sum(each.reasoning_tokens for each in told))
