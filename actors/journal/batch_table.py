"""Batches in a store: a row each, and the jobs of their lines, which are found by their ids."""

from typing import Protocol

from actors.journal.disk import Disk
from actors.journal.rows import from_row
from actors.stores import Reader, Statements
from pipelines.batch_edits import Batch, BatchQuery, LineQuery, finalization_id, line_id
from pipelines.jobs import Job

_LAST = "\U0010ffff"  # sorts behind every id
_NAMES = {"window": "completion_window"}  # columns that are called otherwise
_COLUMNS = [_NAMES.get(name, name) for name in Batch._fields]
FRAGMENTS = {  # what the braces in the queries stand for
    "batch": ", ".join(_COLUMNS),
    "batch_values": ", ".join("?" for _ in _COLUMNS),
    "batch_changes": ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[_COLUMNS.index("status") :]),
}


class BatchReader(Protocol):
    """What has been written."""

    def load(self, batch: str) -> Batch | None:
        """Its row."""

    def page(self, query: BatchQuery) -> list[Batch]:
        """A page of a tenant's, newest first."""

    def lines(self, query: LineQuery) -> list[Job]:
        """The jobs of its lines, those too that a client has deleted."""


class BatchTable(BatchReader, Protocol):
    """The same in a write transaction."""

    def put(self, row: Batch) -> None:
        """A new or changed row."""

    def overdue(self, now: float) -> list[Batch]:
        """Those whose time is over and that have not heard of it."""

    def doomed(self) -> Batch | None:
        """One whose lines are to be ended, the most urgent first."""

    def open_lines(self, query: LineQuery) -> list[Job]:
        """As `lines`, those only that are not terminal."""


class SqlBatchReader:
    """See `BatchReader`."""

    def __init__(self, statements: Reader) -> None:
        self._reader = statements

    def load(self, batch: str) -> Batch | None:
        """Its row."""
        rows = self._reader.rows("batch", batch)
        return Batch._make(rows[0]) if rows else None

    def page(self, query: BatchQuery) -> list[Batch]:
        """A page."""
        rows = self._reader.rows("newest_batches", query.tenant, query.after or _LAST, query.limit)
        return [Batch._make(row) for row in rows]

    def lines(self, query: LineQuery) -> list[Job]:
        """The jobs of its lines."""
        return self._lines("lines", query)

    def _lines(self, name: str, query: LineQuery) -> list[Job]:
        return [from_row(row) for row in self._reader.rows(name, *_between(query), query.limit)]


class SqlBatches(SqlBatchReader):
    """See `BatchTable`."""

    def __init__(self, statements: Statements) -> None:
        super().__init__(statements)
        self._statements = statements

    def put(self, row: Batch) -> None:
        """A new or changed row."""
        self._statements.many("put_batch", [row])

    def overdue(self, now: float) -> list[Batch]:
        """Those whose time is over."""
        return [Batch._make(row) for row in self._statements.rows("overdue_batches", now)]

    def doomed(self) -> Batch | None:
        """One whose lines are to be ended."""
        rows = self._statements.rows("doomed_batches")
        return Batch._make(rows[0]) if rows else None

    def open_lines(self, query: LineQuery) -> list[Job]:
        """Those that are not terminal."""
        return self._lines("open_lines", query)


class MemoryBatches:
    """See `BatchTable`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def load(self, batch: str) -> Batch | None:
        """Its row."""
        return self._disk.batches.get(batch)

    def page(self, query: BatchQuery) -> list[Batch]:
        """A page."""
        last = query.after or _LAST
        rows = (row for row in self._disk.batches.values() if row.tenant == query.tenant and row.id < last)
        return sorted(rows, reverse=True)[: query.limit]

    def lines(self, query: LineQuery) -> list[Job]:
        """The jobs of its lines."""
        first, last = _between(query)
        jobs = (job for job in self._disk.jobs.values() if first < job.id < last)
        return sorted(jobs, key=lambda job: job.id)[: query.limit]

    def put(self, row: Batch) -> None:
        """A new or changed row."""
        self._disk.batches[row.id] = row

    def overdue(self, now: float) -> list[Batch]:
        """Those whose time is over."""
        return [row for row in self._disk.batches.values() if row.open and not row.fate and row.expires_at <= now]

    def doomed(self) -> Batch | None:
        """One whose lines are to be ended."""
        rows = self._disk.batches.values()
        doomed = [row for row in rows if row.open and row.fate and row.finalizing_at is None]
        return min(doomed, key=lambda row: row.expires_at, default=None)

    def open_lines(self, query: LineQuery) -> list[Job]:
        """Those that are not terminal."""
        lines = self.lines(query._replace(limit=len(self._disk.jobs)))
        return [job for job in lines if not job.status.terminal][: query.limit]


def _between(query: LineQuery) -> tuple[str, str]:
    return line_id(query.batch, query.after), finalization_id(query.batch)
