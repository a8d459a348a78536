"""Puts files into the index: read, convert and chunk each file; embed and write chunks, many files' at once.

The same stages run on threads of one process (`index_here`) and as a dataset of Ray Data (`index_on_ray`).

Invariants: a file that cannot be read or embedded fails alone; no more is in memory than a few files; whatever is done
again after a crash writes the same chunks under the same ids. A passing fault of a store or a model ends the run: what
was not reported yet is to be given to another.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.data.chunker import Span, Window, chunk
from pipelines.data.tally import FileDone, Progress, Tally
from pipelines.errors import RejectError, TransientError

OPENERS = 2  # files that are read and converted at once
WRITERS = 2  # batches of chunks that are embedded and written at once
BATCH = 256  # chunks
QUEUED = 4  # batches that wait for a writer
log = logging.getLogger("heliograph")
_OPENED = pa.schema(
    [
        *((name, pa.string()) for name in ("tenant", "store", "attachment", "file")),
        *((name, pa.int32()) for name in ("of", "ordinal", "start", "end")),
        *((name, pa.string()) for name in ("text", "code", "message")),
    ]
)


class Task(NamedTuple):
    """A file that is to be put into a store's index, under the id of its attachment."""

    tenant: str
    store: str
    attachment: str
    file: str
    filename: str
    size: int  # the most tokens of a chunk
    overlap: int  # how many of them the next one has, too


class Embedded(Protocol):
    """What an encoder makes of texts."""

    @property
    def vectors(self) -> NDArray[np.float32]:
        """One row for each text."""

    @property
    def tokens(self) -> list[int]:
        """One number for each text."""


class Tools(Protocol):
    """What the stages work with."""

    async def read(self, task: Task) -> bytes:
        """A file's content. Raises RejectError where it is gone or too large."""

    def convert(self, content: bytes, filename: str) -> str:
        """Its text. Raises RejectError where there is none. Blocks."""

    def tokenize(self, text: str) -> Sequence[Span]:
        """The spans of a text's tokens. Blocks."""

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """The vectors, one for one."""

    async def upsert(self, tenant: str, store: str, chunks: pa.Table) -> None:
        """Write chunks, and replace those that are there."""

    async def remove(self, tenant: str, store: str, attachments: Sequence[str]) -> None:
        """Remove the chunks of attachments."""

    async def tidy(self, tenant: str, store: str) -> None:
        """There is no more to write for now."""


Report = Callable[[list[FileDone]], Awaitable[None]]


class Run:
    """One indexing of some files: what has become of them, and what is still to be told."""

    def __init__(self, tasks: Iterable[Task], tools: Tools, report: Report) -> None:
        self.tasks = {task.attachment: task for task in tasks}
        self._tools = tools
        self._report = report
        self._tally = Tally()

    async def add(self, steps: Iterable[Progress]) -> None:
        """Report the files that are done with these; of those that have failed, nothing stays in the index."""
        done = self._tally.add(steps)
        for each in done:
            if each.code:
                task = self.tasks[each.attachment]
                await self._tools.remove(task.tenant, task.store, [task.attachment])
        if done:
            await self._report(done)

    async def end(self) -> None:
        """All are done."""
        for tenant, store in {(task.tenant, task.store) for task in self.tasks.values()}:
            await self._tools.tidy(tenant, store)


async def index_here(tasks: Iterable[Task], tools: Tools, report: Report) -> None:
    """Index files in this process, with threads; `report` gets those that are done, at once."""
    run = Run(tasks, tools, report)
    waiting = list(reversed(run.tasks.values()))
    opened: asyncio.Queue[pa.Table | None] = asyncio.Queue(QUEUED)

    async def open_files() -> None:
        while waiting:
            chunks = await open_file(waiting.pop(), tools)
            for first in range(0, len(chunks), BATCH):
                await opened.put(chunks.slice(first, BATCH))

    async def write_batches() -> None:
        while (batch := await _next_batch(opened)) is not None:
            await run.add(await write_chunks(batch, tools))

    async with _together() as group:
        for _ in range(WRITERS):
            group.create_task(write_batches())
        await asyncio.wait([group.create_task(open_files()) for _ in range(OPENERS)])
        for _ in range(WRITERS):
            await opened.put(None)
    await run.end()


async def open_file(task: Task, tools: Tools) -> pa.Table:
    """The chunks of a file; a single row with its code where the file is at fault."""
    try:
        content = await tools.read(task)
        return await asyncio.to_thread(_chunks, task, content, tools)
    except TransientError:
        raise
    except Exception as error:  # noqa: BLE001 - a file fails alone
        code, message = _fault(error)
        return _rows(task, code=code, message=message, ordinal=[0], start=[0], end=[0], text=[""])


async def write_chunks(opened: pa.Table, tools: Tools) -> list[Progress]:
    """Embed and write chunks of any files, and say of each file how far it is."""
    failed = pc.not_equal(opened["code"], "")
    steps = [_given_up(rows, _first(rows, "code"), _first(rows, "message")) for rows in _files(opened.filter(failed))]
    good = opened.filter(pc.invert(failed))
    return steps + await _embed_and_write(good, tools) if len(good) else steps


async def _embed_and_write(opened: pa.Table, tools: Tools) -> list[Progress]:
    try:
        embedded = await tools.embed(opened["text"].to_pylist())
    except TransientError:
        raise
    except Exception as error:  # noqa: BLE001 - the file that is at fault fails alone
        files = _files(opened)
        if len(files) == 1:
            return [_given_up(opened, *_fault(error))]
        return [step for rows in files for step in await _embed_and_write(rows, tools)]
    chunks = _with_vectors(opened, embedded)
    stores = _by(chunks, "tenant", "store")
    await asyncio.gather(*(tools.upsert(tenant, store, rows) for (tenant, store), rows in stores))
    return [_written(rows) for rows in _files(chunks)]


def _chunks(task: Task, content: bytes, tools: Tools) -> pa.Table:
    text = tools.convert(content, task.filename)
    spans = list(chunk(text, tools.tokenize, Window(task.size, task.overlap)))
    if not spans:
        raise RejectError("There is no text in it.", "invalid_file")
    starts, ends = zip(*spans, strict=True)
    texts = [text[start:end] for start, end in spans]
    return _rows(task, ordinal=range(len(spans)), start=starts, end=ends, text=texts)


def _rows(task: Task, *, code: str = "", message: str = "", **columns: Sequence[Any]) -> pa.Table:
    number = len(columns["ordinal"])
    about = {**task._asdict(), "of": number, "code": code, "message": message}
    same = {name: [about[name]] * number for name in _OPENED.names if name in about}
    return pa.table({**same, **columns}, _OPENED)


def _with_vectors(opened: pa.Table, embedded: Embedded) -> pa.Table:
    vectors = np.ascontiguousarray(embedded.vectors, np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    return opened.append_column("vector", column).append_column("tokens", pa.array(embedded.tokens, pa.int32()))


def _written(chunks: pa.Table) -> Progress:
    size = pc.sum(pc.binary_length(chunks["text"])).as_py() + chunks["vector"].combine_chunks().values.nbytes
    tokens = pc.sum(chunks["tokens"]).as_py()
    return Progress(_first(chunks, "attachment"), len(chunks), _first(chunks, "of"), size, tokens)


def _given_up(chunks: pa.Table, code: str, message: str) -> Progress:
    return Progress(_first(chunks, "attachment"), len(chunks), _first(chunks, "of"), code=code, message=message)


def _fault(error: Exception) -> tuple[str, str]:
    if isinstance(error, RejectError):
        return error.code, str(error)
    log.warning("a file cannot be indexed", exc_info=error)
    return "server_error", "The file could not be processed."


def _files(chunks: pa.Table) -> list[pa.Table]:
    return [rows for _, rows in _by(chunks, "attachment")]


def _by(chunks: pa.Table, *columns: str) -> list[tuple[tuple[str, ...], pa.Table]]:
    """The rows by what stands in these columns."""
    places: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, key in enumerate(zip(*(chunks[column].to_pylist() for column in columns), strict=True)):
        places[key].append(place)
    return [(key, chunks.take(rows)) for key, rows in places.items()]


def _first(chunks: pa.Table, column: str) -> Any:
    return chunks[column][0].as_py()


async def _next_batch(opened: "asyncio.Queue[pa.Table | None]") -> pa.Table | None:
    """What waits, as far as it makes one batch; None at the end."""
    batch, last = [], await opened.get()
    while last is not None:
        batch.append(last)
        if sum(map(len, batch)) >= BATCH or opened.empty():
            return pa.concat_tables(batch)
        last = opened.get_nowait()
    if batch:
        opened.put_nowait(None)  # the end is another's
    return pa.concat_tables(batch) if batch else None


@asynccontextmanager
async def _together() -> AsyncIterator[asyncio.TaskGroup]:
    """A group of tasks, of which the first that fails ends the others and is what the group raises."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
