"""What the SQLite file of the token log does beyond the contract of all stores."""

import sqlite3
from pathlib import Path

import pytest

from actors.stores import ForeignStoreError
from actors.token_log.ledger import Ledger
from actors.token_log.sqlite import SqliteTokenStore
from tests.factories import job_id
from tests.token_logs import appends


def open_store(folder: Path) -> SqliteTokenStore:
    return SqliteTokenStore(folder / "tokens-0.sqlite", new_uuid="store-1")


def test_an_emptied_folder_entry_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    (tmp_path / "tokens-0.sqlite").unlink()
    with pytest.raises(ForeignStoreError, match="only one is there"):
        open_store(tmp_path)


def test_an_empty_file_in_the_place_of_ours_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    for name in ("tokens-0.sqlite", "tokens-0.sqlite-wal", "tokens-0.sqlite-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "tokens-0.sqlite").touch()
    with pytest.raises(ForeignStoreError, match="is not the store store-1"):
        open_store(tmp_path)


def test_the_file_of_another_store_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with sqlite3.connect(tmp_path / "tokens-0.sqlite") as connection:
        connection.execute("UPDATE store SET value = 'another' WHERE key = 'uuid'")
    connection.close()
    with pytest.raises(ForeignStoreError, match="is not the store store-1"):
        open_store(tmp_path)


def test_a_reader_never_waits_for_an_open_transaction(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with store.transaction() as transaction:
        Ledger(transaction, {}).apply(appends("a"))
        assert store.read(job_id(), -1).chunks == []
    assert len(store.read(job_id(), -1).chunks) == 2
    store.close()
