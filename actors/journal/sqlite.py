"""The SQLite store of the journal: one file, one writer, every commit on disk. See `store.py` for the invariants."""

from pathlib import Path

from actors.journal.tables import HERE, TablesStore, queries
from actors.sqlite import SqliteDatabase, SqliteFile

_SQL = queries("sqlite")


class SqliteStore(TablesStore):
    """See `store.Store`. `new_uuid` names the store if this call creates it."""

    def __init__(self, path: Path, *, new_uuid: str, shards: int = 1) -> None:
        file = SqliteFile(path, HERE / "migrations", new_uuid=new_uuid, shards=shards)
        super().__init__(SqliteDatabase(file, _SQL))
