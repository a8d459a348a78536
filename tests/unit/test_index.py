"""What only an index in a folder has: files that are to be on disk, and a disk that does not take them."""

from pathlib import Path

import pytest

from actors.index import Index
from actors.stores import StoreUnavailableError
from actors.system import real_ports
from actors.tables import sync_new
from tests.chunks import chunk_table


def test_what_is_new_in_a_folder_is_synced_and_what_has_gone_is_forgotten(tmp_path: Path) -> None:
    first, second = tmp_path / "data" / "first", tmp_path / "second"
    first.parent.mkdir()
    first.write_text("1")
    synced = sync_new(tmp_path, set(), [tmp_path])
    assert synced == {first.parent, first}
    first.unlink()
    second.write_text("2")
    assert sync_new(tmp_path, synced, [tmp_path]) == {first.parent, second}


async def test_a_place_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailableError):
        await Index(str(tmp_path / "file"), real_ports().ids).upsert("a", "vs_1", chunk_table("att_1", ["moon"]))
