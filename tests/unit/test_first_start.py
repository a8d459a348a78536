"""A first start may be killed anywhere: the next one makes the store, and the folder is never refused."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from actors.sqlite import SqliteFile
from actors.stores import ForeignStoreError, marker_file, pending_file

MIGRATIONS = {"001_initial.sql": "CREATE TABLE things (name TEXT);", "002_more.sql": "CREATE TABLE more (name TEXT);"}
LINES = 200  # a start has fewer


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for name, text in MIGRATIONS.items():
        (folder / name).write_text(text)
    return folder


def test_a_start_that_was_killed_at_any_line_is_finished_by_the_next(tmp_path: Path, migrations: Path) -> None:
    folders = [tmp_path / str(line) for line in range(LINES)]
    cut_everywhere(folders, migrations)
    begun = [folder for folder in folders if any(folder.iterdir())]
    assert len(begun) > 1
    for folder in begun:
        check_opens(folder / "store.sqlite", migrations)


def test_starts_that_are_killed_one_after_another_come_to_an_end(tmp_path: Path, migrations: Path) -> None:
    cut_everywhere([tmp_path / "same"] * LINES, migrations)
    check_opens(tmp_path / "same" / "store.sqlite", migrations)


def test_a_name_that_was_half_written_leaves_the_place_free(tmp_path: Path, migrations: Path) -> None:
    pending_file(marker_file(tmp_path, "store")).touch()
    check_opens(tmp_path / "store.sqlite", migrations)


def test_a_file_that_an_unfinished_start_did_not_make_is_refused(tmp_path: Path, migrations: Path) -> None:
    path, marker = tmp_path / "store.sqlite", marker_file(tmp_path, "store")
    SqliteFile(path, migrations, new_uuid="one").close()
    marker.unlink()
    with pytest.raises(ForeignStoreError):
        SqliteFile(path, migrations, new_uuid="two")
    pending_file(marker).write_text("two\n")
    with pytest.raises(ForeignStoreError):
        SqliteFile(path, migrations, new_uuid="three")


def cut_everywhere(folders: Sequence[Path], migrations: Path) -> None:
    """Kills a start in each folder, each a line later, until one comes to its end."""
    for folder in folders:
        folder.mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-m", "tests.cut_start", migrations, *folders], check=True)


def check_opens(path: Path, migrations: Path) -> None:
    file = SqliteFile(path, migrations, new_uuid="last")
    try:
        assert marker_file(path.parent, path.stem).read_text().strip() == file.uuid
        assert file.connection.execute("SELECT value FROM store WHERE key = 'uuid'").fetchall() == [(file.uuid,)]
        assert file.connection.execute("SELECT count(*) FROM things, more").fetchone() == (0,)
        assert not pending_file(marker_file(path.parent, path.stem)).exists()
    finally:
        file.close()
