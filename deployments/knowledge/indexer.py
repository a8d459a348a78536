"""Has files put into the index by a pipeline, on threads or on Ray, for the worker that reports them."""

from collections.abc import Awaitable, Callable, Sequence

from deployments.knowledge.indexing_worker import IndexSource, Tell, Told
from pipelines.commands import Indexed
from pipelines.data.indexing import Report, Task
from pipelines.data.tally import FileDone
from pipelines.errors import RejectError

RunPipeline = Callable[[Sequence[Task], Report], Awaitable[None]]


class UnprocessableError(Exception):
    """Something other than the file is wrong; it may be tried again."""


class FileIndexer:
    """Answers `Indexer`. Several batches may be under way at once."""

    def __init__(self, run: RunPipeline) -> None:
        self._run = run

    async def index(self, sources: Sequence[IndexSource], tell: Tell) -> None:
        """Tells of each file when it is done."""

        async def report(done: list[FileDone]) -> None:
            await tell([Told(each.attachment, _result(each)) for each in done])

        await self._run([_task(source) for source in sources], report)


def _task(source: IndexSource) -> Task:
    request = source.request
    return Task(
        tenant=source.tenant,
        store=request.store,
        attachment=request.attachment,
        file=request.file,
        filename=request.filename,
        size=request.chunk_tokens,
        overlap=request.overlap_tokens,
    )


def _result(done: FileDone) -> Indexed | Exception:
    if done.code == "server_error":
        return UnprocessableError(done.message)
    if done.code:
        return RejectError(done.message, done.code)
    return Indexed(chunks=done.chunks, usage_bytes=done.usage_bytes, tokens=done.tokens)
