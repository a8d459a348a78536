"""Makes the shared actors of a cluster, or finds those that are there."""

from pathlib import Path
from typing import Any

import ray

from actors.journal.limits import Limits
from actors.journal.protocol import Places
from actors.naming import NAMESPACE, journal_name, token_log_name
from actors.shards import Where
from actors.shells import JournalActor, Shell, TokenLogActor
from actors.stores import ShardCountError

HOME = "journal"  # the resource by which a cluster marks the node that has the data folder's volume


def ensure_actor(shell: type[Shell], name: str, *arguments: Any) -> int:
    """Find or make a shared actor; returns its process id. Blocking; raises what its constructor raised."""
    options: dict[str, Any] = {
        "name": name,
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "max_restarts": -1,
        "max_concurrency": 10_000,
        "num_cpus": 0,
        "scheduling_strategy": "DEFAULT",
    }
    if HOME in ray.cluster_resources():
        options["resources"] = {HOME: 0.001}
    actor = ray.remote(shell).options(**options).remote(*arguments)
    pid: int = ray.get(actor.ready.remote())
    return pid


def ensure_shards(
    folder: Path, *, database: str, places: Places, shards: int, telemetry: dict[str, Any], limits: Limits
) -> None:
    """The actors of all shards. Raises ShardCountError where there are another number of them."""
    for shard in range(shards):
        ensure_shard(
            folder, database=database, places=places, shard=shard, telemetry=telemetry, limits=limits, shards=shards
        )
        if shard == 0:
            _check_number(shards)


def ensure_shard(
    folder: Path,
    *,
    database: str,
    places: Places,
    shard: int,
    telemetry: dict[str, Any],
    limits: Limits,
    shards: int = 1,
) -> None:
    """The actors of one shard."""
    where = Where(database, shard, shards)
    ensure_actor(TokenLogActor, token_log_name(shard), str(folder), where, telemetry)
    ensure_actor(JournalActor, journal_name(shard), str(folder), where, places, telemetry, limits)


def _check_number(shards: int) -> None:
    """An actor that was there already has not looked at the number."""
    journal = ray.get_actor(journal_name(0), namespace=NAMESPACE)
    created: int = ray.get(journal.info.remote()).shards
    if created != shards:
        raise ShardCountError(journal_name(0), created, shards)
