"""The Postgres store of the journal: a schema with one writer. See `store.py` for the invariants."""

from pathlib import Path

from actors.journal.tables import HERE, TablesStore, queries
from actors.postgres import PostgresDatabase

_SQL = queries("postgres")
MIGRATIONS = HERE / "migrations" / "postgres"


class PostgresStore(TablesStore):
    """See `store.Store`. `new_uuid` names the store if this call creates it."""

    def __init__(self, url: str, schema: str, *, marker: Path, new_uuid: str, shards: int = 1) -> None:
        database = PostgresDatabase(url, schema, _SQL, MIGRATIONS, marker=marker, new_uuid=new_uuid, shards=shards)
        super().__init__(database)
