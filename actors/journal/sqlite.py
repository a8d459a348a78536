"""The SQLite store of the journal: one file, one writer, every commit on disk. See `store.py` for the invariants."""

from pathlib import Path

from actors.journal.tables import HERE, TablesStore, queries
from actors.sqlite import SqliteDatabase, SqliteFile

_SQL = queries("sqlite")


class SqliteStore(TablesStore):
    """See `store.Store`. `new_uuid` names the store if this call creates it."""

    def __init__(self, path: Path, *, new_uuid: str) -> None:
        super().__init__(SqliteDatabase(SqliteFile(path, HERE / "migrations", new_uuid=new_uuid), _SQL))
