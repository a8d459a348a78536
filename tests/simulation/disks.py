"""The memory stores on a simulated disk: a commit shows and lasts from its sync on, and not before.

A crash between write and sync loses the commit; one after the sync, before the reply, keeps it. The epoch is checked
once more at the sync, as a real store's write lock would have it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path

from actors.blobs import Blobs
from actors.journal import memory as journal_memory
from actors.journal.disk import TABLES, Disk
from actors.journal.memory_transaction import MemoryTransaction
from actors.journal.protocol import JournalApi
from actors.objects import Objects
from actors.stores import StaleEpochError, StoreUnavailableError
from actors.token_log import memory as token_memory
from pipelines.ports import Clock
from tests.simulation.process import LONGEST_SYNC_S, Process

JournalDisk = Disk
TokenDisk = token_memory.Disk
_PIECE_BYTES = 1500


class JournalStore(journal_memory.MemoryStore):
    """The journal's, in one process."""

    def __init__(self, disk: JournalDisk, process: Process) -> None:
        super().__init__(disk)
        self._process = process

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        self._check_epoch()
        tables = {name: copy(getattr(self._disk, name)) for name in TABLES}
        draft = JournalDisk(uuid=self._disk.uuid, epoch=self._disk.epoch, **tables)
        yield MemoryTransaction(draft)
        self._process.thread.written.append(lambda: self._sync(draft))

    def _sync(self, draft: JournalDisk) -> None:
        self._check_epoch()
        for name in TABLES:
            setattr(self._disk, name, getattr(draft, name))


def merged(disks: Sequence[JournalDisk]) -> JournalDisk:
    """What several journals have, to be looked at together. Their rows have no keys in common, but for numbers."""
    if len(disks) == 1:
        return disks[0]
    whole = JournalDisk(uuid="all")
    for shard, disk in enumerate(disks):
        whole.events = whole.events + disk.events
        for name in TABLES:
            table = getattr(disk, name)
            if isinstance(table, dict):
                rows = {(shard, key) if isinstance(key, int) else key: row for key, row in table.items()}
                getattr(whole, name).update(rows)
    return whole


class Files(Blobs):
    """Payloads in one process; large ones are on a disk that all processes share, in one step."""

    def __init__(self, journal: JournalApi, disk: dict[Path, bytes], clock: Clock) -> None:
        super().__init__(journal, Path(), clock)
        self._disk = disk

    def _write(self, files: list[tuple[Path, bytes]]) -> None:
        self._disk.update(files)

    def _read(self, path: Path) -> bytes | None:
        return self._disk.get(path)


class Contents(Objects):
    """Contents of clients' files in one process, on a disk that all share; one is there whole or not at all.

    `fails` says, at each call, whether the storage does: before it has done its work, or after that.
    """

    def __init__(self, disk: dict[str, bytes], process: Process, fails: Callable[[], bool]) -> None:
        super().__init__("")
        self._disk = disk
        self._process = process
        self._fails = fails

    async def put(self, tenant: str, file: str, content: AsyncIterable[bytes]) -> int:
        del tenant
        data = b"".join([piece async for piece in content])
        await self._pass()
        self._disk[file] = data
        await self._pass()
        return len(data)

    async def get(self, tenant: str, file: str) -> AsyncGenerator[bytes]:
        del tenant
        await self._pass()
        if file not in self._disk:
            raise FileNotFoundError(file)
        return pieces(self._disk[file])

    async def remove(self, tenant: str, file: str) -> None:
        del tenant
        await self._pass()
        self._disk.pop(file, None)

    async def _pass(self) -> None:
        await asyncio.sleep(self._process.random.random() * LONGEST_SYNC_S)
        if self._fails():
            raise StoreUnavailableError("objects: lost", retry_after_s=1.0)


async def pieces(content: bytes) -> AsyncGenerator[bytes]:
    """A content in a few pieces."""
    for start in range(0, len(content), _PIECE_BYTES):
        yield content[start : start + _PIECE_BYTES]


class TokenStore(token_memory.MemoryTokenStore):
    """The token log's, in one process. `on_commit` gets the logs that a sync changed."""

    def __init__(
        self, disk: TokenDisk, process: Process, *, on_commit: Callable[[dict[str, token_memory.Log]], None]
    ) -> None:
        super().__init__(disk)
        self._process = process
        self._on_commit = on_commit

    @contextmanager
    def transaction(self) -> Iterator[token_memory.MemoryTransaction]:
        transaction = token_memory.MemoryTransaction(self._disk)
        yield transaction
        self._process.thread.written.append(lambda: self._sync(transaction.draft))

    def _sync(self, draft: dict[str, token_memory.Log]) -> None:
        if self._disk.epoch != self.epoch:
            raise StaleEpochError(f"epoch {self.epoch} was replaced by {self._disk.epoch}")
        self._disk.logs.update(draft)
        self._on_commit(draft)
