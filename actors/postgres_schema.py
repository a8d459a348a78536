"""How a schema of Postgres becomes a store: made, identified, migrated, taken over.

Everything up to the take-over is one transaction: two starters at once make one store, and a start that is refused
leaves nothing behind. The UUID is in the database only if a file of the data folder has it too: it is written
beside the marker before the commit, and becomes the marker after it.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from actors.stores import ForeignStoreError, ShardCountError, pending_file

_BASE = """
    CREATE TABLE IF NOT EXISTS store (key text COLLATE "C" PRIMARY KEY, number bigint, data bytea);
    INSERT INTO store (key, number) VALUES ('epoch', 0), ('version', 0) ON CONFLICT DO NOTHING;
"""


def prepare(
    connection: psycopg.Connection[Any], schema: str, migrations: Path, *, marker: Path, new_uuid: str, shards: int = 1
) -> str:
    """Make the store ready for this version; returns its UUID. Raises ForeignStoreError, ShardCountError.

    The epoch row is locked before any table is, as every writer does; a writer that is at work may go on afterwards.
    """
    pending = pending_file(marker)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [f"heliograph {schema}"])
        if connection.execute("SELECT to_regnamespace($1)", [schema]).fetchone() == (None,):
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        connection.execute("SET LOCAL client_min_messages = warning")
        connection.execute(_BASE)
        connection.execute("SELECT number FROM store WHERE key = 'epoch' FOR UPDATE")
        uuid = _identify(connection, schema, marker, pending, new_uuid)
        _count(connection, schema, shards, new=uuid == new_uuid)
        _migrate(connection, migrations)
    with suppress(FileNotFoundError):  # another starter was here
        pending.rename(marker)
    return uuid


def take_over(connection: psycopg.Connection[Any]) -> int:
    """The new writer's epoch. Waits until the transaction of the present writer has ended."""
    row = connection.execute("UPDATE store SET number = number + 1 WHERE key = 'epoch' RETURNING number").fetchone()
    return int(row[0]) if row else 0


def _identify(connection: psycopg.Connection[Any], schema: str, marker: Path, pending: Path, new_uuid: str) -> str:
    row = connection.execute("SELECT data FROM store WHERE key = 'uuid'").fetchone()
    found: str | None = row[0].decode() if row else None
    file = next((path for path in (marker, pending) if path.exists()), None)
    expected = file.read_text().strip() if file else None
    if found is None and file != marker:
        pending.write_text(new_uuid + "\n")
        connection.execute("INSERT INTO store (key, data) VALUES ('uuid', $1)", [new_uuid.encode()])
        return new_uuid
    if found is None or found != expected:
        raise ForeignStoreError(f"schema {schema} is the store {found}, and {marker} names {expected}")
    return found


def _count(connection: psycopg.Connection[Any], schema: str, shards: int, *, new: bool) -> None:
    """One of how many shards it is; a store that does not say so is from when there was one."""
    if new:
        connection.execute("INSERT INTO store (key, number) VALUES ('shards', $1) ON CONFLICT DO NOTHING", [shards])
    row = connection.execute("SELECT number FROM store WHERE key = 'shards'").fetchone()
    created = row[0] if row else 1
    if created != shards:
        raise ShardCountError(f"schema {schema}", created, shards)


def _migrate(connection: psycopg.Connection[Any], migrations: Path) -> None:
    """Do the scripts that are new. They only add, with defaults, and never rewrite a table: writers wait for them."""
    row = connection.execute("SELECT number FROM store WHERE key = 'version'").fetchone()
    done = row[0] if row else 0
    for script in sorted(migrations.glob("*.sql"))[done:]:
        connection.execute(script.read_bytes())
        connection.execute("UPDATE store SET number = number + 1 WHERE key = 'version'")
