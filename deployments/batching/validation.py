"""The first job of a batch: its file is read twice, once to find what is wrong with it, once to make its lines jobs.

Invariants:
- A file of which one line is bad makes no jobs; the batch fails and says which lines are.
- A job that is there already is not made again, so that whoever comes after a crash begins from the front.
- Of the file there is never more in memory than a few chunks, and the ids of its lines.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing

from pydantic_core import to_json

from actors.journal.protocol import JournalApi
from actors.objects import Objects
from deployments.batching.line_jobs import LineDraft, LineJobs
from deployments.batching.lines import BadLineError, LineDoor, LineReader, Problem, Seen, lines_of
from deployments.batching.survey import Survey
from pipelines.batch_edits import (
    Batch,
    BatchQuery,
    BatchStatus,
    BeginBatch,
    RefuseBatch,
    batch_of,
    line_priority,
)
from pipelines.commands import Answer, Submit, Validated, Verdict
from pipelines.errors import TransientError
from pipelines.jobs import ClaimedJob
from pipelines.ports import Ports

MOST_FILE_BYTES = 200 * 1024 * 1024
CHUNK = 500  # lines that are submitted together
_TURN_BYTES = 64 * 1024  # after so many the event loop has others' work done
_PURPOSE = "batch"


class RefusedError(Exception):
    """The file cannot be done."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems


class EndedError(Exception):
    """The batch takes no more lines."""


class Validator:
    """Does such jobs."""

    def __init__(
        self,
        line_jobs: LineJobs,
        *,
        journal: JournalApi,
        objects: Objects,
        door: LineDoor,
        ports: Ports,
        chunk: int = CHUNK,
    ) -> None:
        self._line_jobs = line_jobs
        self._journal = journal
        self._objects = objects
        self._door = door
        self._ports = ports
        self._chunk = chunk

    async def run(self, claim: ClaimedJob) -> Validated:
        """Read the file of the batch that the job is for."""
        (row,) = await self._journal.batches(BatchQuery(claim.tenant, batch_of(claim.job_id)))
        if row.status != BatchStatus.VALIDATING:  # an earlier attempt has come so far
            return Validated(lines=max(0, row.total))
        try:
            if row.total < 0:
                row = await self._begin(row)
            await self._add_lines(row)
        except RefusedError as refused:
            errors = to_json([problem._asdict() for problem in refused.problems]).decode()
            await self._journal.edit([RefuseBatch(batch=row.id, tenant=row.tenant, errors=errors)])
            return Validated(lines=0)
        except EndedError:
            return Validated(lines=0)
        return Validated(lines=row.total)

    async def _begin(self, row: Batch) -> Batch:
        """Look through the file. Raises RefusedError where anything is wrong with it."""
        survey, reader = Survey(), self._reader(row)
        async with aclosing(self._lines(row)) as lines:
            async for number, data in lines:
                survey.add(number, await _checked(reader, data))
                if survey.enough:
                    break
        if problems := survey.problems():
            raise RefusedError(problems)
        begin = BeginBatch(batch=row.id, tenant=row.tenant, lines=survey.lines, model=survey.model)
        await self._journal.edit([begin])
        return row._replace(total=survey.lines, model=survey.model)

    async def _add_lines(self, row: Batch) -> None:
        """While one chunk is written the next is made."""
        writing: asyncio.Task[None] | None = None
        try:
            async with aclosing(_chunks(self._drafts(row), self._chunk)) as chunks:
                async for chunk in chunks:
                    commands = await self._line_jobs.commands(row, chunk)
                    if writing is not None:
                        await writing
                    writing = asyncio.create_task(self._submit(commands), name="lines")
            if writing is not None:
                await writing
        finally:
            if writing is not None:
                writing.cancel()

    async def _drafts(self, row: Batch) -> AsyncGenerator[LineDraft]:
        reader, number = self._reader(row), 0
        async with aclosing(self._lines(row)) as lines:
            async for line, data in lines:
                number += 1
                try:
                    ask = await reader.read(data)
                except BadLineError as error:  # what it refers to was there a moment ago
                    raise RefusedError([error.problem._replace(line=line)]) from error
                yield await self._line_jobs.draft(row, number, ask)

    async def _submit(self, commands: Sequence[Submit]) -> None:
        for answer in await self._journal.submit(commands):
            _check(answer)

    def _reader(self, row: Batch) -> LineReader:
        return LineReader(row.endpoint, row.tenant, priority=line_priority(row.expires_at), door=self._door)

    async def _lines(self, row: Batch) -> AsyncGenerator[tuple[int, bytes]]:
        """The lines of the input. Others have their turn between. Raises RefusedError for a file that is no input."""
        size = 0
        async with aclosing(await self._content(row)) as pieces, aclosing(lines_of(pieces)) as lines:
            async for number, data in lines:
                yield number, data
                size += len(data)
                if size > _TURN_BYTES:
                    size = 0
                    await self._ports.sleep(0)

    async def _content(self, row: Batch) -> AsyncGenerator[bytes]:
        file = await self._journal.file(row.tenant, row.input_file)
        if file is None:
            raise _no_input("invalid_request", f"File with id '{row.input_file}' not found.")
        if file.purpose != _PURPOSE:
            raise _no_input("invalid_request", f"The file's purpose must be 'batch', not '{file.purpose}'.")
        if (file.size or 0) > MOST_FILE_BYTES:
            raise _no_input("invalid_request", f"The file of a batch has at most {MOST_FILE_BYTES} bytes.")
        try:
            return await self._objects.get(row.tenant, file.id)
        except FileNotFoundError:  # deleted in this moment
            raise _no_input("invalid_request", f"File with id '{row.input_file}' not found.") from None


async def _checked(reader: LineReader, data: bytes) -> Seen | Problem:
    try:
        return await reader.check(data)
    except BadLineError as error:
        return error.problem


def _check(answer: Answer) -> None:
    """Raises where a line was not taken."""
    match answer.verdict:
        case Verdict.DONE:
            return
        case Verdict.STALE:
            raise EndedError
        case Verdict.FULL:
            raise TransientError("too many jobs wait", retry_after_s=5.0)
        case Verdict.OVER_BUDGET:
            message = "The token budget of this account has too little left."
            raise RefusedError([Problem("insufficient_quota", message)])
        case Verdict.PARENT:
            raise RefusedError([Problem("invalid_request", "A previous response is no longer there.")])
        case _:
            raise RuntimeError(f"the journal refused a line: {answer.verdict} {answer.detail}")


def _no_input(code: str, message: str) -> RefusedError:
    return RefusedError([Problem(code, message, "input_file_id")])


async def _chunks(drafts: AsyncIterable[LineDraft], size: int) -> AsyncGenerator[list[LineDraft]]:
    chunk: list[LineDraft] = []
    async for draft in drafts:
        chunk.append(draft)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
