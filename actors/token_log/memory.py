"""The memory store of the token log, for tests and simulations. See `store.py` for the invariants.

`Disk` is what outlives a store object: a new store on the same disk is a restart.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from actors.stores import StaleEpochError
from actors.token_log.store import Head, Page, Row, first_page


class Log(NamedTuple):
    """One log. Replaced as a whole, so that a reader on another thread never sees half a commit."""

    head: Head = Head()
    rows: tuple[Row, ...] = ()


@dataclass(slots=True)
class Disk:
    """The committed state."""

    uuid: str
    epoch: int = 0
    logs: dict[str, Log] = field(default_factory=dict)
    schemas: bytes | None = None


class MemoryTransaction:
    """See `store.Transaction`. What it changes is a draft until the commit."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.draft: dict[str, Log] = {}

    def heads(self, job_ids: Iterable[str]) -> dict[str, Head]:
        """Those of the logs that exist."""
        logs = {job_id: self._log(job_id) for job_id in job_ids}
        return {
            job_id: log.head._replace(last=log.rows[-1] if log.rows else None)
            for job_id, log in logs.items()
            if log != Log()
        }

    def rows(self, job_id: str) -> list[Row]:
        """All of a log."""
        return list(self._log(job_id).rows)

    def chunk(self, job_id: str, sequence: int) -> bytes | None:
        """The chunk that begins here."""
        return next((row.chunk for row in self._log(job_id).rows if row.sequence == sequence), None)

    def put_heads(self, heads: Mapping[str, Head]) -> None:
        """New or changed heads."""
        for job_id, head in heads.items():
            self.draft[job_id] = self._log(job_id)._replace(head=head._replace(last=None))

    def add_rows(self, rows: Sequence[Row]) -> None:
        """New rows."""
        for row in rows:
            if self.chunk(row.job_id, row.sequence) is not None:
                raise ValueError(f"{row.job_id} has a chunk at {row.sequence} already")
            log = self._log(row.job_id)
            self.draft[row.job_id] = log._replace(rows=(*log.rows, row))

    def drop_rows(self, job_id: str, sequence: int) -> None:
        """Forget the end of a log."""
        log = self._log(job_id)
        self.draft[job_id] = log._replace(rows=tuple(row for row in log.rows if row.sequence < sequence))

    def forget(self, job_ids: Sequence[str]) -> None:
        """Forget these logs."""
        self.draft.update(dict.fromkeys(job_ids, Log()))

    def _log(self, job_id: str) -> Log:
        return self.draft.get(job_id) or self._disk.logs.get(job_id, Log())


class MemoryTokenStore:
    """See `store.Store`."""

    remote = False

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        disk.epoch += 1
        self.uuid = disk.uuid
        self.epoch = disk.epoch

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        """One write transaction of this epoch."""
        transaction = MemoryTransaction(self._disk)
        yield transaction
        if self._disk.epoch != self.epoch:
            raise StaleEpochError(f"epoch {self.epoch} was replaced by {self._disk.epoch}")
        for job_id, log in transaction.draft.items():
            if log == Log():
                self._disk.logs.pop(job_id, None)
            else:
                self._disk.logs[job_id] = log

    def read(self, job_id: str, after: int, limit: int | None = None) -> Page:
        """Committed chunks after a cursor."""
        log = self._disk.logs.get(job_id, Log())
        rows = (row for row in log.rows if row.next_sequence > after + 1)
        return first_page(((row.next_sequence, row.chunk) for row in rows), log.head.seal, after, limit)

    def load_schemas(self) -> bytes | None:
        """The schemas that were registered last."""
        return self._disk.schemas

    def save_schemas(self, schemas: bytes) -> None:
        """Register schemas."""
        self._disk.schemas = schemas

    def close(self) -> None:
        """Nothing to let go of."""
