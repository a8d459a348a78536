"""What the new code does to the stores of a data folder: it migrates them under their writer, or takes them over."""

import sqlite3
from contextlib import closing
from pathlib import Path

import actors.journal
import actors.token_log
from actors.naming import journal_name, token_log_name
from actors.postgres import connect
from actors.postgres_schema import prepare
from actors.shards import open_journal, open_token_log
from actors.sqlite import migrate
from actors.stores import marker_file
from actors.system import real_ports

STORES = {  # by name: the schema in Postgres, and where the migrations are
    journal_name(0): ("journal_0", Path(actors.journal.__file__).parent / "migrations"),
    token_log_name(0): ("tokens_0", Path(actors.token_log.__file__).parent / "migrations"),
}


def migrate_online(folder: Path, database: str) -> None:
    """The new schema, beneath whoever writes there, who stays the writer."""
    for name, (schema, migrations) in STORES.items():
        if database:
            with closing(connect(database, schema)) as remote:
                prepare(remote, schema, migrations / "postgres", marker=marker_file(folder, name), new_uuid="")
        else:
            with closing(sqlite3.connect(folder / f"{name}.sqlite", isolation_level=None, timeout=30)) as local:
                migrate(local, migrations)


def take_over(folder: Path, database: str) -> None:
    """Open the stores as the new code's actors do, and let go of them."""
    open_journal(folder, ports=real_ports(), database=database).close()
    open_token_log(folder, ports=real_ports(), database=database).close()
