"""Opens the stores of a shard in a data folder. Raises where one is foreign, or its schema incompatible."""

from pathlib import Path

from actors.journal.journal import Journal
from actors.journal.sqlite import SqliteStore
from actors.naming import journal_name, token_log_name
from actors.token_log.sqlite import SqliteTokenStore
from actors.token_log.token_log import TokenLog
from events.registry import register
from pipelines.ports import Ports


def open_journal(folder: Path, *, ports: Ports, shard: int = 0) -> Journal:
    """The shard's journal; a folder without one gets a new one."""
    folder.mkdir(parents=True, exist_ok=True)
    store = SqliteStore(journal_file(folder, shard), new_uuid=ports.ids.new("store", shard))
    register(store)
    return Journal(store, ports=ports, blob_folder=str(blob_folder(folder)), shard=shard)


def open_token_log(folder: Path, *, ports: Ports, shard: int = 0) -> TokenLog:
    """The shard's token log; a folder without one gets a new one."""
    folder.mkdir(parents=True, exist_ok=True)
    store = SqliteTokenStore(token_log_file(folder, shard), new_uuid=ports.ids.new("store", shard))
    return TokenLog(store, ports=ports)


def journal_file(folder: Path, shard: int = 0) -> Path:
    """Where the journal lives."""
    return folder / f"{journal_name(shard)}.sqlite"


def token_log_file(folder: Path, shard: int = 0) -> Path:
    """Where the token log lives."""
    return folder / f"{token_log_name(shard)}.sqlite"


def blob_folder(folder: Path) -> Path:
    """Where the payloads live that are too large for the journal."""
    return folder / "blobs"
