"""The last job of a batch: what its lines came to, as two files in the order of the lines.

Invariants: each line is in one of the files, once; the files have the same names and the same content whoever writes
them, so that whoever comes after a crash writes them again.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from pydantic_core import from_json

from actors.journal.protocol import JournalApi
from actors.objects import Objects
from deployments.batching.lines import lines_of
from deployments.batching.readout import Readout
from deployments.batching.results import unrun_line
from pipelines.batch_edits import Batch, BatchQuery, batch_of, error_id, line_id, output_id
from pipelines.commands import Finalized
from pipelines.edits import ReserveFile
from pipelines.jobs import ClaimedJob

log = logging.getLogger("heliograph")


class Finalizer:
    """Does such jobs."""

    def __init__(self, readout: Readout, *, journal: JournalApi, objects: Objects) -> None:
        self._readout = readout
        self._journal = journal
        self._objects = objects

    async def run(self, claim: ClaimedJob) -> Finalized:
        """Write the files of the batch that the job is for."""
        (row,) = await self._journal.batches(BatchQuery(claim.tenant, batch_of(claim.job_id)))
        writing = _Writing(row, self._readout, self._objects)
        outputs = await self._write(row, output_id(row.id), writing.outputs()) if row.completed else 0
        errors = await self._write(row, error_id(row.id), writing.errors()) if row.failed else 0
        return Finalized(output_bytes=outputs, error_bytes=errors, reasoning_tokens=writing.reasoning_tokens)

    async def _write(self, row: Batch, file: str, content: AsyncGenerator[bytes]) -> int:
        reserve = ReserveFile(file=file, tenant=row.tenant, filename=f"{file}.jsonl", purpose="batch_output")
        await self._journal.edit([reserve])
        async with aclosing(content):
            return await self._objects.put(row.tenant, file, content)


class _Writing:
    """The contents of one batch's files."""

    def __init__(self, row: Batch, readout: Readout, objects: Objects) -> None:
        self._row = row
        self._readout = readout
        self._objects = objects
        self.reasoning_tokens = 0  # of the outputs that were written

    async def outputs(self) -> AsyncGenerator[bytes]:
        async with aclosing(self._readout.outputs(self._row)) as parts:
            async for part in parts:
                self.reasoning_tokens += part.reasoning_tokens
                yield part.data

    async def errors(self) -> AsyncGenerator[bytes]:
        known = 0
        async with aclosing(self._readout.errors(self._row)) as parts:
            async for part in parts:
                known += part.jobs
                yield part.data
        if known < self._row.total:
            async for line in self._never_added(known):
                yield line

    async def _never_added(self, known: int) -> AsyncGenerator[bytes]:
        """The lines behind the last that became a job before the batch was ended. Only the input tells their ids."""
        row, number = self._row, 0
        try:
            content = await self._objects.get(row.tenant, row.input_file)
        except FileNotFoundError:
            log.warning("lines that never ran are not told of: their file is gone", extra={"file": row.input_file})
            return
        async with aclosing(content), aclosing(lines_of(content)) as lines:
            async for _, data in lines:
                number += 1
                if number > known:
                    yield unrun_line(row, line_id(row.id, number), from_json(data)["custom_id"])
