"""What a process that does not count references, because its version is older, does to the count."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.journal.sqlite import SqliteStore
from tests.factories import payload

BLOB = ("default", payload().reference, b"{}")
OLDER = (
    "INSERT INTO blobs (tenant, hash, data, touched_at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (tenant, hash) DO UPDATE SET touched_at = excluded.touched_at"
)


class Table:
    """The blobs of a store, with one reference to put and to release."""

    def __init__(self, folder: Path) -> None:
        self.store: Any = SqliteStore(folder / "journal-0.sqlite", new_uuid="one")

    def put(self, now: float) -> None:
        with self.store.transaction() as transaction:
            transaction.put_blobs([BLOB], now)

    def put_without_counting(self, now: float) -> None:
        with self.store._database._file.transaction() as connection:
            connection.execute(OLDER, ("default", BLOB[1].hash, b"{}", now))

    def release(self) -> bool:
        """Whether it is gone then."""
        with self.store.transaction() as transaction:
            return bool(transaction.release({BLOB[:2]: 1}))


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    table = Table(tmp_path)
    yield table
    table.store.close()


def test_what_was_counted_goes_with_the_last_reference(table: Table) -> None:
    table.put(1.0)
    table.put(2.0)
    assert [table.release(), table.release()] == [False, True]


def test_a_payload_of_an_older_version_stays(table: Table) -> None:
    table.put_without_counting(1.0)
    table.put(2.0)
    assert [table.release(), table.release()] == [False, False]


def test_a_payload_that_an_older_version_put_again_stays(table: Table) -> None:
    table.put(1.0)
    table.put_without_counting(2.0)
    assert not table.release()
    table.put(3.0)
    assert not table.release()
