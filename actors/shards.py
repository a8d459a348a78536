"""Opens the stores of a shard, in a data folder or in Postgres. Raises for a foreign store or a contradicting schema.

In both cases the folder holds the stores' names and the large payloads. Of how many shards a store is one is fixed when
it is created; it is opened for that number only. A shard's token log is made before its journal, and one shard after
the other; once all have been made, none is made anew.
"""

from pathlib import Path
from typing import NamedTuple

from actors.journal.journal import Journal
from actors.journal.limits import DEFAULT_LIMITS, Limits
from actors.journal.postgres import PostgresStore
from actors.journal.protocol import NOWHERE, Places
from actors.journal.sqlite import SqliteStore
from actors.journal.store import Store
from actors.naming import journal_name, token_log_name
from actors.stores import ForeignStoreError, marker_file
from actors.token_log import store as token_store
from actors.token_log.postgres import PostgresTokenStore
from actors.token_log.sqlite import SqliteTokenStore
from actors.token_log.token_log import TokenLog
from events.registry import register
from pipelines.ports import Ports


class Where(NamedTuple):
    """Which shard, of how many, and the database that its stores are in; "": the data folder."""

    database: str = ""
    shard: int = 0
    shards: int = 1


def open_journal(
    folder: Path,
    *,
    ports: Ports,
    database: str = "",
    places: Places = NOWHERE,
    shard: int = 0,
    shards: int = 1,
    limits: Limits = DEFAULT_LIMITS,
) -> Journal:
    """The shard's journal; a folder without one gets a new one. What `places` does not say is in the folder too."""
    folder.mkdir(parents=True, exist_ok=True)
    new_uuid = ports.ids.new("store", shard)
    _refuse_lost(folder, journal_name(shard))
    store: Store
    if database:
        marker = marker_file(folder, journal_name(shard))
        store = PostgresStore(database, f"journal_{shard}", marker=marker, new_uuid=new_uuid, shards=shards)
    else:
        store = SqliteStore(journal_file(folder, shard), new_uuid=new_uuid, shards=shards)
    register(store)
    if shards > 1 and shard == shards - 1:
        _complete(folder).touch()
    return Journal(store, ports=ports, places=places_in(folder, places), shard=shard, shards=shards, limits=limits)


def open_token_log(folder: Path, *, ports: Ports, database: str = "", shard: int = 0, shards: int = 1) -> TokenLog:
    """The shard's token log; a folder without one gets a new one."""
    folder.mkdir(parents=True, exist_ok=True)
    new_uuid = ports.ids.new("store", shard)
    _refuse_lost(folder, token_log_name(shard))
    store: token_store.Store
    if database:
        marker = marker_file(folder, token_log_name(shard))
        store = PostgresTokenStore(database, f"tokens_{shard}", marker=marker, new_uuid=new_uuid, shards=shards)
    else:
        store = SqliteTokenStore(token_log_file(folder, shard), new_uuid=new_uuid, shards=shards)
    register(store)
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


def places_in(folder: Path, elsewhere: Places = NOWHERE) -> Places:
    """Where everything is that no store holds: in the data folder, but for what is elsewhere."""
    return Places(
        blobs=elsewhere.blobs or str(blob_folder(folder)),
        objects=elsewhere.objects or str(folder / "files"),
        indexes=elsewhere.indexes or str(folder / "index"),
    )


def _complete(folder: Path) -> Path:
    """There once all shards have been made."""
    return folder / "shards.complete"


def _refuse_lost(folder: Path, name: str) -> None:
    marker = marker_file(folder, name)
    if _complete(folder).exists() and not marker.exists():
        raise ForeignStoreError(f"{marker} is gone")
