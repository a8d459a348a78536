"""Indexing as a dataset of Ray Data: the stages of `indexing.py` on actors, which the dashboard shows.

The dataset is streamed: a file is reported when its last chunk is written, while others are still being read.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from threading import Event
from typing import Any

import pyarrow as pa

from pipelines.data.indexing import BATCH, OPENERS, WRITERS, Report, Run, Task, Tools, open_file, write_chunks
from pipelines.data.tally import Progress
from pipelines.errors import TransientError

ACTOR = {"num_cpus": 0.1}  # they wait for other processes: converters, the model's, the store's


async def index_on_ray(tasks: Iterable[Task], make_tools: Callable[[], Tools], report: Report) -> None:
    """See `index_here`. Each actor makes its own tools, so what makes them is pickled.

    Cancelled, the dataset ends when its next batch is done.
    """
    run, loop, over = Run(tasks, make_tools(), report), asyncio.get_running_loop(), Event()

    def consume() -> None:
        for batch in _steps(list(run.tasks.values()), make_tools):
            if over.is_set():
                return
            steps = [Progress(**row) for row in batch.to_pylist()]
            asyncio.run_coroutine_threadsafe(run.add(steps), loop).result()

    if run.tasks:
        try:
            await asyncio.to_thread(consume)
            await run.end()
        except Exception as error:
            raise _fault_behind(error) from error
        finally:
            over.set()


def _fault_behind(error: BaseException) -> BaseException:
    """The passing fault that Ray has wrapped, or the error itself."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, TransientError):
        cause = cause.__cause__
    return cause or error


def _steps(tasks: list[Task], make_tools: Callable[[], Tools]) -> Iterator[pa.Table]:
    import ray.data  # noqa: PLC0415 - it takes seconds to load

    ray.data.DataContext.get_current().enable_progress_bars = False
    files = ray.data.from_items([task._asdict() for task in tasks], override_num_blocks=len(tasks))
    stage = partial(_stage, make_tools=make_tools)
    opened = files.map_batches(Opener, batch_size=1, **stage(OPENERS))
    written = opened.map_batches(Writer, batch_size=BATCH, **stage(WRITERS))
    written.set_name("index")  # in the dashboard
    return iter(written.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))


def _stage(width: int, make_tools: Callable[[], Tools]) -> dict[str, Any]:
    return {
        "batch_format": "pyarrow",
        "fn_constructor_args": (make_tools,),
        "concurrency": (1, width),
        **ACTOR,
    }


class Opener:
    """Reads, converts and cuts files, on an actor."""

    def __init__(self, make_tools: Callable[[], Tools]) -> None:
        self._tools = make_tools()
        self._runner = asyncio.Runner()

    def __call__(self, files: pa.Table) -> Iterator[pa.Table]:
        """The chunks of each file."""
        for row in files.to_pylist():
            yield self._runner.run(open_file(Task(**row), self._tools))


class Writer:
    """Has chunks embedded, and writes them, on an actor."""

    def __init__(self, make_tools: Callable[[], Tools]) -> None:
        self._tools = make_tools()
        self._runner = asyncio.Runner()

    def __call__(self, opened: pa.Table) -> pa.Table:
        """How far each file is."""
        steps = self._runner.run(write_chunks(opened, self._tools))
        return pa.Table.from_pylist([step._asdict() for step in steps])
