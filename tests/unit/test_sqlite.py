import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from actors.sqlite import SqliteFile, SqliteStatements, migrate
from actors.stores import ForeignStoreError, StoreUnavailableError, load_queries

MIGRATION = "CREATE TABLE things (name TEXT);\nCREATE INDEX by_name ON things (name);\n"


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "001_initial.sql").write_text(MIGRATION)
    return folder


def open_file(tmp_path: Path, migrations: Path, new_uuid: str = "one") -> SqliteFile:
    return SqliteFile(tmp_path / "store.sqlite", migrations, new_uuid=new_uuid)


def test_a_store_keeps_its_uuid_and_counts_epochs(tmp_path: Path, migrations: Path) -> None:
    first, second = open_file(tmp_path, migrations), open_file(tmp_path, migrations, "two")
    assert (first.uuid, second.uuid) == ("one", "one")
    assert second.epoch == first.epoch + 1
    first.close()
    second.close()


def test_new_migrations_run_once_in_order(tmp_path: Path, migrations: Path) -> None:
    open_file(tmp_path, migrations).close()
    (migrations / "002_more.sql").write_text("ALTER TABLE things ADD COLUMN size INTEGER;")
    for _ in range(2):
        file = open_file(tmp_path, migrations)
        assert file.connection.execute("SELECT name, size FROM things").fetchall() == []
        file.close()


def test_an_older_version_goes_on_and_starts_again_on_a_newer_schema(tmp_path: Path, migrations: Path) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(migrations, newer)
    (newer / "002_more.sql").write_text("ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 1;")
    older = open_file(tmp_path, migrations)
    with closing(sqlite3.connect(older.path, isolation_level=None)) as connection:
        migrate(connection, newer)
    for _ in range(2):
        with older.transaction() as writing:
            writing.execute("INSERT INTO things (name) VALUES ('old')")
        older.close()
        older = open_file(tmp_path, migrations)
    assert older.connection.execute("SELECT name, size FROM things").fetchall() == [("old", 1)] * 2
    older.close()


def test_a_missing_file_beside_its_marker_is_refused(tmp_path: Path, migrations: Path) -> None:
    open_file(tmp_path, migrations).close()
    for path in tmp_path.glob("store.sqlite*"):
        path.unlink()
    with pytest.raises(ForeignStoreError):
        open_file(tmp_path, migrations)


def test_a_foreign_file_is_refused(tmp_path: Path, migrations: Path) -> None:
    open_file(tmp_path, migrations).close()
    (tmp_path / "store.uuid").write_text("another\n")
    with pytest.raises(ForeignStoreError):
        open_file(tmp_path, migrations)


def test_a_failed_transaction_leaves_nothing(tmp_path: Path, migrations: Path) -> None:
    file = open_file(tmp_path, migrations)
    with pytest.raises(RuntimeError), file.transaction() as connection:
        connection.execute("INSERT INTO things VALUES ('half')")
        raise RuntimeError
    assert file.connection.execute("SELECT * FROM things").fetchall() == []
    file.close()


def test_every_commit_is_synced(tmp_path: Path, migrations: Path) -> None:
    file = open_file(tmp_path, migrations)
    assert file.connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert file.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    file.close()


def test_queries_are_found_by_name(tmp_path: Path) -> None:
    path = tmp_path / "queries.sql"
    path.write_text("-- A head.\n\n-- name: one\nSELECT 1;\n\n-- name: two\n-- Why two.\nSELECT 2;\n")
    assert load_queries(path) == {"one": "SELECT 1", "two": "-- Why two.\nSELECT 2"}


def test_a_fault_of_ours_is_not_taken_for_a_passing_one(tmp_path: Path, migrations: Path) -> None:
    file = open_file(tmp_path, migrations)
    with pytest.raises(sqlite3.OperationalError, match="no such table"), file.transaction() as connection:
        connection.execute("INSERT INTO nowhere VALUES (1)")
    with file.transaction() as connection:
        connection.execute("INSERT INTO things VALUES ('still works')")
    file.close()


def test_a_reader_that_is_kept_from_the_file_says_that_it_may_try_again(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as holder,
        closing(sqlite3.connect(path, timeout=0)) as reader,
    ):
        holder.executescript("CREATE TABLE things (name TEXT); BEGIN EXCLUSIVE;")
        statements = SqliteStatements(reader, {"things": "SELECT name FROM things", "typo": "SELECT nme FROM things"})
        with pytest.raises(StoreUnavailableError, match="locked"):
            statements.rows("things")
        holder.execute("COMMIT")
        assert statements.rows("things") == []
        with pytest.raises(sqlite3.OperationalError, match="nme"):  # a fault of ours never passes
            statements.rows("typo")
