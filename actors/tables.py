"""The LanceDB tables of an index: which one belongs to a store, and how it is made.

Of two that make a table under one name at once, LanceDB (0.40) lets the later replace the earlier with what is in it.
So each is made under a name of its own, with its indexes, and becomes a store's by a note that only one can write.
The note of a dropped store stays, so that a late writer makes no new one.
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
import pyarrow as pa
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore

from actors.storage import PATIENCE_S, is_remote, open_storage

if TYPE_CHECKING:
    from lancedb import AsyncConnection
    from lancedb.table import AsyncTable

OPEN_TABLES = 256
CACHE_BYTES = 256 << 20
DROPPED = "-"  # what the note of a store that was dropped begins with
FAULTS = (RuntimeError, OSError, BaseError)
_REMOTE = {"allow_http": "true", "client_retry_timeout": str(int(PATIENCE_S))}  # as in `storage.py`


class Tables:
    """Of one process. What fails raises one of FAULTS. `place` is a folder or a URL."""

    def __init__(self, place: str, new_name: Callable[[], str]) -> None:
        self._place = place
        self._new_name = new_name
        self._database: AsyncConnection | None = None
        self._open: dict[str, AsyncTable] = {}  # by store, those that were opened last
        self._synced: dict[str, set[Path]] = {}  # by store, the files that are on disk

    async def find(self, store: str) -> "AsyncTable | None":
        """The table of a store, if it has one."""
        if store not in self._open:
            note = await self._note(store)
            if not note or note.startswith(DROPPED):
                return None
            database = await self._connection()
            try:
                self._keep(store, await database.open_table(note))
            except ValueError as error:  # dropped in this moment, or lost
                raise FileNotFoundError(str(error)) from error
        return self._open[store]

    async def make(self, store: str, schema: pa.Schema) -> "AsyncTable | None":
        """The table of a store, made if it has none yet; None where it was dropped."""
        note = None if store in self._open else await self._note(store)
        if store in self._open or note:
            return await self.find(store)
        database, name = await self._connection(), self._new_name()
        table = await database.create_table(name, schema=schema)
        await _add_indexes(table)
        if await self._write_first_note(store, name, over=note):
            return self._keep(store, table)
        await database.drop_table(name)
        return await self.find(store)

    async def drop(self, store: str) -> None:
        """Remove the table of a store for ever; none is as good."""
        self.forget(store)
        note = await self._note(store)
        if note is None and await self._write_first_note(store, DROPPED):
            return
        name = (note or await self._note(store) or "").removeprefix(DROPPED)
        await obstore.put_async(self._notes, store, f"{DROPPED}{name}".encode())
        if name:
            await (await self._connection()).drop_table(name, ignore_missing=True)

    async def sync(self, store: str) -> None:
        """Returns when what a store's table has would survive a loss of power; LanceDB itself syncs nothing."""
        if store in self._open and not is_remote(self._place):
            place = Path(self._place)
            table, note = place / "tables" / f"{self._open[store].name}.lance", place / "stores" / store
            names = [note, note.parent, note.parent.parent, table, table.parent, place]
            before = self._synced.get(store, set())
            self._synced[store] = await asyncio.to_thread(sync_new, table, before, names)

    def forget(self, store: str) -> None:
        """Look for the table anew at the next use; another process may have dropped it."""
        self._open.pop(store, None)
        self._synced.pop(store, None)

    async def _note(self, store: str) -> str | None:
        try:
            return bytes(await (await obstore.get_async(self._notes, store)).bytes_async()).decode()
        except FileNotFoundError:
            return None

    async def _write_first_note(self, store: str, note: str, *, over: str | None = None) -> bool:
        """Whether it is the first; an empty one, of which a loss of power has left but the name, is none."""
        try:
            await obstore.put_async(self._notes, store, note.encode(), mode="create" if over is None else "overwrite")
        except AlreadyExistsError:  # another was first, or this is a repeat because an answer was lost
            return await self._note(store) == note
        return True

    def _keep(self, store: str, table: "AsyncTable") -> "AsyncTable":
        self._open[store] = table
        if len(self._open) > OPEN_TABLES:
            self.forget(next(iter(self._open)))
        return table

    @cached_property
    def _notes(self) -> ObjectStore:
        return open_storage(f"{self._place}/stores")

    async def _connection(self) -> "AsyncConnection":
        """Made when it is first needed: the library takes seconds to load, and a disk that fails must not stop us."""
        if self._database is None:
            lancedb = await asyncio.to_thread(import_module, "lancedb")
            session = lancedb.Session(index_cache_size_bytes=CACHE_BYTES, metadata_cache_size_bytes=CACHE_BYTES)
            try:
                self._database = await lancedb.connect_async(
                    f"{self._place}/tables",
                    read_consistency_interval=timedelta(0),
                    session=session,
                    storage_options=_REMOTE,
                )
            except ValueError as error:  # that is what it makes of a folder that cannot be read
                raise OSError(str(error)) from error
        return self._database


async def _add_indexes(table: "AsyncTable") -> None:
    from lancedb.index import FTS, BTree  # noqa: PLC0415 - see `_connection`

    await table.create_index("id", config=BTree())
    await table.create_index("attachment", config=BTree())
    # Its words are those of languages without spaces, too.
    await table.create_index("text", config=FTS(base_tokenizer="icu"))


def sync_new(folder: Path, synced: set[Path], names: Iterable[Path]) -> set[Path]:
    """Put on disk what is new in a folder whose files never change, and these; all that are in the folder."""
    found = {path for path in folder.rglob("*") if not path.name.startswith(".")}
    new = found - synced
    for path in new | {path.parent for path in new} | set(names):
        with suppress(FileNotFoundError):  # tidied away meanwhile
            _sync(path)
    return found


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
